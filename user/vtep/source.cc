// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/source.h"

#include <cerrno>

#include <fmt/format.h>

namespace xvtep {

Result<Ip> choose_source(Session &session, const Way &way)
{
    if (way.remote) {
        const int oif = way.ports.size() == 1 && !way.routed ? static_cast<int>(way.ports[0]) : 0;
        const auto route = session.netlink.route_to(*way.remote, oif);
        if (route && route->source && !route->source->is_multicast())
            return *route->source;
    }
    std::optional<Ip> first;
    for (const __u32 port : way.ports) {
        TRY_ASSIGN(const auto addresses,
                   session.wrap(session.netlink.addresses(static_cast<int>(port))));
        for (const auto &prefix : addresses) {
            if (prefix.address.is_link_local() || (way.v6 && prefix.address.is_v6() != *way.v6))
                continue;
            if (!first || (!way.v6 && first->is_v6() && prefix.address.is_v4()))
                first = prefix.address;
        }
    }
    if (first)
        return *first;
    return session.refused(fmt::format("no {} address to send from (give --local)",
                                       way.v6 ? (*way.v6 ? "IPv6" : "IPv4") : "IPv4 or IPv6"),
                           EADDRNOTAVAIL);
}

Result<bool> HostAddresses::has(const Ip &address)
{
    if (!known_) {
        TRY_ASSIGN(const auto all, session_->netlink.addresses());
        known_.emplace();
        for (const auto &[index, prefix] : all)
            known_->insert(prefix.address);
    }
    if (known_->contains(address))
        return true;
    const auto route = session_->netlink.route_to(address);
    return route && route->is_local;
}

Result<bool> follow_source(Session &session, HostAddresses &addresses, xv_vtep &vtep)
{
    if ((vtep.flags & XV_VTEP_LOCAL_AUTO) == 0)
        return false;
    TRY_ASSIGN(const bool is_here, addresses.has(to_ip(vtep.local)));
    if (is_here)
        return false;
    Way way{.ports = {vtep.underlays, vtep.underlay_count},
            .v6 = (vtep.flags & XV_VTEP_V6) != 0,
            .routed = (vtep.flags & XV_VTEP_ROUTED) != 0};
    if (const Ip remote = to_ip(vtep.remote); addr_is_set(vtep.remote) && !remote.is_multicast())
        way.remote = remote;
    const auto chosen = choose_source(session, way);
    if (!chosen) // the host has none at the moment
        return false;
    vtep.local = to_addr(*chosen);
    return true;
}

} // namespace xvtep
