// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <initializer_list>

namespace xvtep::agent {
namespace {

constexpr std::uint64_t set_of(std::initializer_list<unsigned> capabilities)
{
    std::uint64_t set = 0;
    for (const unsigned capability : capabilities)
        set |= std::uint64_t{1} << capability;
    return set;
}

constexpr std::uint64_t always = set_of({CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF});
constexpr std::uint64_t seldom = set_of({CAP_PERFMON, CAP_SYS_ADMIN});
constexpr std::uint64_t for_files = set_of({CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER});

struct Capabilities {
    std::uint64_t effective = 0, permitted = 0;
};

// Of the calling thread.
Capabilities capabilities()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0)
        return {};
    return {.effective = std::uint64_t{data[1].effective} << 32 | data[0].effective,
            .permitted = std::uint64_t{data[1].permitted} << 32 | data[0].permitted};
}

// Nothing is inheritable.
bool set_capabilities(const Capabilities &wanted)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (unsigned half = 0; half < 2; half++) {
        data[half].effective = static_cast<__u32>(wanted.effective >> (32 * half));
        data[half].permitted = static_cast<__u32>(wanted.permitted >> (32 * half));
    }
    return ::syscall(SYS_capset, &header, data.data()) == 0;
}

// Without these, a command that root runs would have all of them again.
void drop_bounding_set()
{
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0); // EPERM: CAP_SETPCAP is missing
}

} // namespace

Result<> drop_privileges(ForeignFiles files)
{
    drop_bounding_set();
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return errno_failure("drop", "privileges", errno);
    const std::uint64_t used = always | (files == ForeignFiles::replaced ? for_files : 0);
    const Capabilities now = capabilities();
    if (!set_capabilities(
            {.effective = now.effective & used, .permitted = now.permitted & (used | seldom)}))
        return errno_failure("drop", "privileges", errno);
    // EINVAL: a kernel without ambient capabilities
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return errno_failure("drop", "privileges", errno);
    return {};
}

void drop_all_privileges()
{
    drop_bounding_set();
    (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)set_capabilities({});
}

MorePrivileges::MorePrivileges() : before_(capabilities().effective)
{
    const std::uint64_t permitted = capabilities().permitted;
    (void)set_capabilities({.effective = permitted, .permitted = permitted});
}

MorePrivileges::~MorePrivileges()
{
    (void)set_capabilities({.effective = before_, .permitted = capabilities().permitted});
}

} // namespace xvtep::agent
