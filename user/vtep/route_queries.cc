// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/route_queries.h"

#include <linux/ipv6_route.h>

#include <cstdint>
#include <fstream>
#include <sstream>

#include "user/base/debug_log.h"
#include "user/net/sysctl.h"

namespace xvtep {
namespace {

struct Forwarding {
    const char *key, *all;
    __u32 change; // enum xv_host_change
};

constexpr Forwarding forwardings[] = {
    {"net/ipv4/conf/lo/forwarding", "net/ipv4/conf/all/forwarding", XV_HOST_FORWARDING_V4},
    {"net/ipv6/conf/lo/forwarding", "net/ipv6/conf/all/forwarding", XV_HOST_FORWARDING_V6},
};

// Whether the host has learned IPv6 routes from routers. The kernel removes them when any device
// begins to forward: rt6_purge_dflt_routers().
bool has_advertised_routes()
{
    std::ifstream routes("/proc/thread-self/net/ipv6_route");
    for (std::string line; std::getline(routes, line);) {
        std::istringstream words(line);
        std::string word;
        for (int column = 0; column < 9; column++) // the ninth has the flags
            words >> word;
        if ((std::strtoul(word.c_str(), nullptr, 16) & (RTF_DEFAULT | RTF_ADDRCONF)) != 0)
            return true;
    }
    return false;
}

// Whether an errno says that the host does not have the sysctl, or does not let it be written: it
// will not the next time either.
bool is_final(const Error &error)
{
    return error.code == ENOENT || error.code == EPERM || error.code == EACCES ||
           error.code == EROFS;
}

Result<bool> may_switch_on(const Forwarding &forwarding)
{
    const auto now = sysctl(forwarding.key);
    if (!now)
        return is_final(now.error()) ? Result<bool>(false) : Failure(now.error());
    return *now == "0" && (forwarding.change == XV_HOST_FORWARDING_V4 || !has_advertised_routes());
}

Result<> set_unless_refused(const char *key, const char *value)
{
    auto set = set_sysctl(key, value);
    if (set || !is_final(set.error()))
        return set;
    debug_log(set.error().message());
    return {};
}

} // namespace

Result<> allow_route_queries(Session &session)
{
    TRY_ASSIGN(const auto before, session.tables->host_changes.look_up(0));
    if (!before)
        return {};
    __u32 changes = *before & ~static_cast<__u32>(XV_HOST_SOURCE_RULES);
    const auto rules = session.netlink.has_source_rules();
    changes |= flag_if(!rules || *rules, XV_HOST_SOURCE_RULES);
    for (const auto &forwarding : forwardings) {
        TRY_ASSIGN(const bool may, may_switch_on(forwarding));
        if (!may)
            continue;
        // Noted first, so that a command that is killed here leaves nothing that stays.
        changes |= forwarding.change;
        TRY(session.tables->host_changes.put(0, changes));
        TRY(set_unless_refused(forwarding.key, "1"));
    }
    if (changes != *before)
        TRY(session.tables->host_changes.put(0, changes));
    return {};
}

Result<> end_route_queries(const Session &session)
{
    TRY_ASSIGN(const auto changes, session.tables->host_changes.look_up(0));
    for (const auto &[key, all, change] : forwardings) {
        if (!changes || (*changes & change) == 0)
            continue;
        const auto forwards = sysctl(all);
        if (!forwards && !is_final(forwards.error()))
            return Failure(forwards.error());
        if (!forwards || *forwards == "0")
            TRY(set_unless_refused(key, "0"));
    }
    return {};
}

} // namespace xvtep
