// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/route_queries.h"

#include "user/base/debug_log.h"
#include "user/net/sysctl.h"

namespace xvtep {
namespace {

struct Forwarding {
    const char *key;
    __u32 change; // enum xv_host_change
};

constexpr Forwarding forwardings[] = {
    {"net/ipv4/conf/lo/forwarding", XV_HOST_FORWARDING_V4},
    {"net/ipv6/conf/lo/forwarding", XV_HOST_FORWARDING_V6},
};

} // namespace

void allow_route_queries(const Session &session)
{
    auto changes = session.tables->host_changes.look_up(0);
    if (!changes || !*changes)
        return;
    for (const auto &[key, change] : forwardings) {
        const auto now = sysctl(key); // an error: no IPv6, say
        if (!now || *now != "0")
            continue;
        // Noted first, so that a command that is killed here leaves nothing that stays.
        **changes |= change;
        if (!session.tables->host_changes.put(0, **changes))
            return;
        if (const auto set = set_sysctl(key, "1"); !set)
            debug_log(set.error().message());
    }
}

void end_route_queries(const Session &session)
{
    const auto changes = session.tables->host_changes.look_up(0);
    if (!changes || !*changes)
        return;
    for (const auto &[key, change] : forwardings)
        if ((**changes & change) != 0)
            if (const auto set = set_sysctl(key, "0"); !set)
                debug_log(set.error().message());
}

} // namespace xvtep
