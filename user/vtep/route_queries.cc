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

bool may_switch_on(const Forwarding &forwarding)
{
    const auto now = sysctl(forwarding.key); // an error: no IPv6, say
    if (!now || *now != "0")
        return false;
    return forwarding.change == XV_HOST_FORWARDING_V4 || !has_advertised_routes();
}

} // namespace

void allow_route_queries(Session &session)
{
    const auto before = session.tables->host_changes.look_up(0);
    if (!before || !*before)
        return;
    __u32 changes = **before & ~static_cast<__u32>(XV_HOST_SOURCE_RULES);
    const auto rules = session.netlink.has_source_rules();
    changes |= flag_if(!rules || *rules, XV_HOST_SOURCE_RULES);
    for (const auto &forwarding : forwardings) {
        if (!may_switch_on(forwarding))
            continue;
        // Noted first, so that a command that is killed here leaves nothing that stays.
        changes |= forwarding.change;
        if (!session.tables->host_changes.put(0, changes))
            return;
        if (const auto set = set_sysctl(forwarding.key, "1"); !set)
            debug_log(set.error().message());
    }
    if (changes != **before)
        (void)session.tables->host_changes.put(0, changes);
}

void end_route_queries(const Session &session)
{
    const auto changes = session.tables->host_changes.look_up(0);
    if (!changes || !*changes)
        return;
    for (const auto &[key, all, change] : forwardings) {
        const auto forwards = sysctl(all);
        if ((**changes & change) == 0 || (forwards && *forwards != "0"))
            continue;
        if (const auto set = set_sysctl(key, "0"); !set)
            debug_log(set.error().message());
    }
}

} // namespace xvtep
