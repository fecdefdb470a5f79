// SPDX-License-Identifier: GPL-2.0-only
// Where the state of a namespace's data path is pinned, and the lock over all of it.
//
//   /sys/fs/bpf/xvtep/<namespace cookie>/maps/<map>
//                                       /programs/<program>     all but XDP's, shared by all ports
//                                       /links/<ifindex>_<hook> TCX attachments
//                 /turn                                           see Lock
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

constexpr const char *usual_bpffs = "/sys/fs/bpf";

// A mounted bpffs: /sys/fs/bpf, or, where `ip netns exec` has hidden it, that of an ancestor
// process. Refused where another user has made xvtep/ in it.
Result<std::string> bpffs_root();

// Held by one command at a time on the machine; gone with the process. It is on xvtep/, which none
// but its owner may open; where that is empty in the end it goes with the lock.
class Lock {
  public:
    static Result<Lock> take(const std::string &root); // waits 30 s at most
    Lock(Lock &&) noexcept = default;
    Lock &operator=(Lock &&) = delete;
    ~Lock();

  private:
    Lock(std::string root, Fd directory) : root_(std::move(root)), directory_(std::move(directory))
    {
    }
    std::string root_;
    Fd directory_;
};

std::string state_directory(const std::string &root, std::uint64_t cookie);
Result<std::vector<std::uint64_t>> pinned_cookies(const std::string &root);
Result<> remove_state(const std::string &root, std::uint64_t cookie);

// The names in a directory; none where there is no such directory.
Result<std::vector<std::string>> names_in(const std::string &directory);

// Why there is no permission: EPERM naming the capability that is missing. Loading needs
// CAP_PERFMON too, and XDP CAP_SYS_ADMIN.
enum class Privilege { tables, load, xdp };
Result<> check_privileges(std::string_view operation, std::string_view object,
                          Privilege wanted = Privilege::tables);

} // namespace xvtep
