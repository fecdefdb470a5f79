// SPDX-License-Identifier: GPL-2.0-only
// The capabilities of the agent. It holds few of them, and uses fewer: see docs/agent.md.
#pragma once

#include <cerrno>
#include <cstdint>

#include "user/base/result.h"

namespace xvtep::agent {

// Whether the agent replaces files that may be another user's.
enum class ForeignFiles { none, replaced };

// Gives up, for good and for all commands that this process runs, what serving does not need. Of
// what is left, the calling thread uses only CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF (and with
// ForeignFiles::replaced, CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER) until it makes
// MorePrivileges. Threads that it starts later do the same. Without CAP_SETPCAP the commands that
// this process runs as root have what it holds. Errors: the errno of prctl(2) or capset(2).
Result<> drop_privileges(ForeignFiles files);

// Gives up all capabilities of the calling thread.
void drop_all_privileges();

// While it lives, the calling thread uses all capabilities that it holds: CAP_PERFMON and
// CAP_SYS_ADMIN, too, with which the library loads programs when a table must grow, removes XDP
// programs that a killed command has left, and looks for a device in other namespaces.
class MorePrivileges {
  public:
    MorePrivileges();
    ~MorePrivileges();
    MorePrivileges(const MorePrivileges &) = delete;
    MorePrivileges &operator=(const MorePrivileges &) = delete;

  private:
    std::uint64_t before_;
};

// Calls `work`, which returns a Result, and once more with more privileges if it was refused some.
template <class Work> auto with_privileges_if_needed(Work &&work)
{
    auto done = work();
    if (done || (done.error().code != EPERM && done.error().code != EACCES &&
                 done.error().code != EAGAIN)) // not all namespaces could be looked at
        return done;
    const MorePrivileges more;
    return work();
}

} // namespace xvtep::agent
