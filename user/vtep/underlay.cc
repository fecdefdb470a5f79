// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/underlay.h"

#include <net/if.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "user/base/debug_log.h"
#include "user/vtep/change.h"
#include "user/vtep/grow.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/slots.h"
#include "user/vtep/teardown.h"

namespace xvtep {
namespace {

constexpr std::size_t most_routes = 256; // that are asked for

bool can_be_underlay(const Link &link)
{
    return (link.flags & IFF_LOOPBACK) == 0;
}

// Returns the port that packets to the address leave by, or nullopt: no route, or this host's own.
std::optional<int> port_to(Session &session, const Ip &to)
{
    const auto route = session.netlink.route_to(to);
    if (!route || route->is_local || route->oif == 0)
        return std::nullopt;
    return route->oif;
}

// The addresses of the remotes of the VTEP, or of all VTEPs of the device.
Result<std::set<Ip>> remotes_of(const Session &session, const xv_vtep &record)
{
    std::set<Ip> found;
    TRY_ASSIGN(const auto vteps, session.vteps());
    std::set<__u32> slots;
    for (const auto &vtep : vteps)
        if (vtep.ifindex == record.ifindex)
            slots.insert(vtep.slot);
    TRY_ASSIGN(const auto ids, session.tables->remote_ids.entries());
    for (const auto &[key, id] : ids)
        if (slots.contains(key.slot) && found.size() < most_routes)
            found.insert(to_ip(key.addr));
    return found;
}

Result<> add_port(Session &session, xv_vtep record, int port)
{
    TRY_ASSIGN(const auto link, session.netlink.link(port));
    TRY_ASSIGN(const auto local, session.tables->ports.look_up(static_cast<__u32>(port)));
    TRY_ASSIGN(const auto vtep, session.tables->devices.look_up(static_cast<__u32>(port)));
    if (!can_be_underlay(link) || local || vtep || record.underlay_count == XV_UNDERLAYS_MAX)
        return {};
    if (auto done = attach_underlay(session, link, Mode::automatic); !done) {
        (void)release_unused_underlays(session);
        return done;
    }
    record.underlays[record.underlay_count++] = static_cast<__u32>(port);
    session.resources->named.clear();
    return put_record(session, record);
}

// Returns the record with what is common to all VTEPs of the device.
Result<xv_vtep> record_of(const Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto record, session.vtep_of_device(static_cast<int>(vtep.ifindex)));
    return record.value_or(vtep);
}

Result<> try_to_follow(Session &session, const xv_vtep &vtep, const Ip &to)
{
    const auto port = port_to(session, to);
    if (!port)
        return {};
    TRY_ASSIGN(const auto record, record_of(session, vtep));
    return uses(record, *port) ? Result<>() : add_port(session, record, *port);
}

Result<> forget_ports_that_are_gone(Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(auto record, record_of(session, vtep));
    TRY_ASSIGN(const auto links, session.netlink.links());
    __u32 *const end = record.underlays + record.underlay_count;
    __u32 *const left = std::remove_if(record.underlays, end, [&](__u32 port) {
        return find_link(links, static_cast<int>(port)) == nullptr;
    });
    // One stays, since every VTEP has a port.
    const auto count = std::max<std::ptrdiff_t>(left - record.underlays, 1);
    if (left == end || left == record.underlays)
        return {};
    std::fill(left, end, 0);
    record.underlay_count = static_cast<__u16>(count);
    return put_record(session, record);
}

} // namespace

Result<> attach_underlay(Session &session, const Link &port, Mode mode)
{
    const auto key = static_cast<__u32>(port.index);
    TRY_ASSIGN(const auto there, session.wrap(session.tables->underlays.look_up(key)));
    if (there)
        return {};
    xv_underlay entry{};
    TRY_SET(entry.slot, free_slot(session));
    // The entry comes first, because a repair finds the programs by it.
    TRY(session.wrap(session.tables->mark_alive(key)));
    TRY(session.wrap(growing(session, &Sizes::ports,
                             [&] { return session.tables->underlays.put(key, entry); })));
    TRY_ASSIGN(auto made, attach_programs(session, port, Role::underlay, mode));
    entry.mode = to_table_mode(made.mode);
    entry.auto_mode = made.auto_mode;
    entry.made_clsact = made.made_clsact;
    std::ranges::copy(port.mac.octets, entry.mac);
    entry.xdp_xmit = xmit_of(port, made.mode);
    TRY(session.wrap(session.tables->underlays.put(key, entry)));
    return session.wrap(merge_packets(session, port, entry));
}

Result<std::vector<Link>> ports_of_routes(Session &session, const AttachRequest &request)
{
    std::set<int> ports;
    if (request.remote)
        if (const auto port = port_to(session, *request.remote))
            ports.insert(*port);
    if (request.local) {
        TRY_ASSIGN(const auto addresses, session.wrap(session.netlink.addresses()));
        for (const auto &[index, prefix] : addresses)
            if (prefix.address == *request.local)
                ports.insert(index);
    }
    std::vector<Link> links;
    for (const int port : ports) {
        TRY_ASSIGN(auto link, session.wrap(session.netlink.link(port)));
        if (can_be_underlay(link))
            links.push_back(std::move(link));
    }
    if (!links.empty())
        return links;
    return session.refused("no route leads to a port (give a device)", ENODEV);
}

void follow_route(Session &session, const xv_vtep &vtep, const Ip &to)
{
    if ((vtep.flags & XV_VTEP_ROUTED) == 0)
        return;
    if (const auto done = try_to_follow(session, vtep, to); !done)
        debug_log(done.error().message());
}

void follow_routes(Session &session, const xv_vtep &record)
{
    if ((record.flags & XV_VTEP_ROUTED) == 0)
        return;
    if (const auto remotes = remotes_of(session, record))
        for (const auto &remote : *remotes)
            follow_route(session, record, remote);
    if (const auto done = forget_ports_that_are_gone(session, record); !done)
        debug_log(done.error().message());
}

Result<std::vector<int>> unattached_ports(Session &session, const xv_vtep &record)
{
    std::set<int> found;
    if ((record.flags & XV_VTEP_ROUTED) == 0)
        return std::vector<int>();
    TRY_ASSIGN(const auto remotes, remotes_of(session, record));
    for (const auto &remote : remotes)
        if (const auto port = port_to(session, remote); port && !uses(record, *port))
            found.insert(*port);
    return std::vector<int>(found.begin(), found.end());
}

} // namespace xvtep
