// SPDX-License-Identifier: GPL-2.0-only
// The directory in which the state of a namespace's data path is pinned, and the lock.
//
//   /sys/fs/bpf/xvtep/<namespace cookie>/maps/<map>
//                                       /maps/programs/<program> see bpf/abi/programs.def
//                                       /next/                   as maps/, while they are replaced
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

// Returns a mounted bpf file system: /sys/fs/bpf or, if `ip netns exec` has hidden it, that of an
// ancestor process.
//
// Errors: ENOENT: there is none. EPERM: another user has made xvtep/ in it.
Result<std::string> bpffs_root();

// The lock that one command at a time on the machine holds. The kernel releases it when the process
// ends. It is a flock(2) on xvtep/, which only the owner may open. If that directory is empty at
// the end, it is removed with the lock.
class Lock {
  public:
    static Result<Lock> take(const std::string &root); // waits at most 30 s; then EBUSY
    Lock(Lock &&) noexcept = default;
    Lock &operator=(Lock &&) = delete;
    ~Lock();
    // Whether another command waits for the lock.
    [[nodiscard]] bool is_wanted() const;

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

// Returns the names in a directory, and none if there is no such directory.
Result<std::vector<std::string>> names_in(const std::string &directory);

// Fails with EPERM and names the capability that is missing. Loading programs also needs
// CAP_PERFMON, and XDP also needs CAP_SYS_ADMIN.
enum class Privilege { tables, load, xdp };
Result<> check_privileges(std::string_view operation, std::string_view object,
                          Privilege wanted = Privilege::tables);

} // namespace xvtep
