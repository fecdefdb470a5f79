// SPDX-License-Identifier: GPL-2.0-only
// Where the state of a namespace's data path is pinned, and the lock over all of it.
//
//   /sys/fs/bpf/xvtep/<namespace cookie>/maps/<map>
//                                       /programs/<program>     all but XDP's, shared by all ports
//                                       /links/<ifindex>_<hook> TCX attachments
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

// A mounted bpffs: /sys/fs/bpf, or, where `ip netns exec` has hidden it, that of an ancestor
// process.
Result<std::string> bpffs_root();

// Held by one command at a time on the machine; gone with the process. Waits 30 s at most.
Result<Fd> lock_bpffs(const std::string &root);

std::string state_directory(const std::string &root, std::uint64_t cookie);
std::vector<std::uint64_t> pinned_cookies(const std::string &root);
void remove_state(const std::string &root, std::uint64_t cookie); // and xvtep/ when it is the last

// EPERM in words: which capability is missing.
Result<> check_privileges(std::string_view operation, std::string_view object);

} // namespace xvtep
