// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/teardown.h"
#include "user/vtep/bridge.h"

#include <algorithm>
#include <set>

#include "user/datapath/bpffs.h"
#include "user/datapath/grace_period.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/ethtool.h"
#include "user/net/veth.h"
#include "user/vtep/device.h"
#include "user/vtep/indexes.h"
#include "user/vtep/members.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/route_queries.h"

namespace xvtep {
namespace {

TcPlace place(const Session &session, int ifindex, Hook hook)
{
    return {session.directory, ifindex, hook, ""};
}

// Returns nothing if there is no such device.
Result<std::optional<Link>> find_link(Session &session, int ifindex)
{
    auto link = session.netlink.link(ifindex);
    if (link)
        return std::move(*link);
    if (link.error().code == ENODEV)
        return std::nullopt;
    return std::unexpected(link.error());
}

// Removes all entries of one VTEP.
template <class Key, class Value>
Result<> flush(const Table<Key, Value> &table, const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto entries, table.entries());
    for (const auto &[key, value] : entries)
        if (key.vni == vtep.vni && key.dstport == vtep.dstport)
            TRY(table.remove(key));
    return {};
}

Result<> flush_entries(const Session &session, const xv_vtep &vtep)
{
    TRY(flush(session.tables->fdb, vtep));
    TRY_ASSIGN(const auto floods, session.tables->floods.entries());
    for (const auto &[key, id] : floods)
        if (key.entry.vni == vtep.vni && key.entry.dstport == vtep.dstport)
            TRY(session.tables->floods.remove(key));
    TRY(free_remotes(*session.tables, vtep));
    return flush(session.tables->neighs, vtep);
}

Result<> put_peer_back(Session &session, const Link &link, __u32 flags)
{
    if (link.kind != "veth")
        return {};
    const auto done =
        with_veth_peer(session.netlink, link, [&](const std::string &peer) -> Result<> {
            if ((flags & XV_PORT_MADE_GRO) != 0)
                TRY(set_device_feature(peer, "rx-gro", FeatureSetting::off));
            for (const auto &[feature, flag] : sender_offloads)
                if ((flags & flag) != 0)
                    TRY(set_device_feature(peer, feature, FeatureSetting::on));
            return {};
        });
    return done || is_out_of_reach(done.error()) ? Result<>() : done;
}

} // namespace

Result<> unless_gone(Result<> removed)
{
    if (!removed && removed.error().code == ENODEV)
        return {};
    return removed;
}

Result<> remove_port(Session &session, int ifindex)
{
    Tables &tables = *session.tables;
    const auto index = static_cast<__u32>(ifindex);
    TRY_ASSIGN(auto port, tables.ports.look_up(index));
    TRY_ASSIGN(const auto link, find_link(session, ifindex));
    TRY_ASSIGN(const auto alive, tables.alive.look_up(index));
    const bool same = link && alive; // false: another device has its index
    // Without a VNI recover() removes the port, wherever this function ends.
    if (port && port->vtep != 0) {
        port->vtep = 0;
        TRY(tables.ports.put(index, *port));
    }
    TRY_ASSIGN(const auto vlans, tables.vlans.entries());
    for (const auto &[key, slot] : vlans)
        if (key.ifindex == index)
            TRY(tables.vlans.remove(key));
    if (port && same) {
        if (port->mode != XV_MODE_TC)
            TRY(detach_xdp(ifindex));
        TRY(put_peer_back(session, *link, port->flags));
    }
    TRY(detach_tc(place(session, ifindex, Hook::egress), Clsact::kept));
    TRY(detach_tc(place(session, ifindex, Hook::ingress),
                  clsact_after(port && same && (port->flags & XV_PORT_MADE_CLSACT) != 0)));
    TRY(tables.alive.remove(index));
    TRY(remove_members(session, [&](__u32, const xv_member &m) { return m.ifindex == index; }));
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (const auto &[key, entry] : entries)
        if ((entry.flags & XV_FDB_LOCAL) != 0 && entry.to == index)
            TRY(remove_entry(tables, key));
    return tables.ports.remove(index);
}

namespace {

// Removes the VTEP from its ports, and a port that has no other VNI.
Result<> take_from_ports(Session &session, const xv_vtep &vtep)
{
    Tables &tables = *session.tables;
    TRY_ASSIGN(auto vlans, tables.vlans.entries());
    for (const auto &[vlan, slot] : vlans)
        if (slot == vtep.slot)
            TRY(tables.vlans.remove(vlan));
    std::erase_if(vlans, [&](const auto &vlan) { return vlan.second == vtep.slot; });
    TRY_ASSIGN(const auto ports, tables.ports.entries());
    for (const auto &[ifindex, port] : ports) {
        const bool other = std::ranges::any_of(
            vlans, [&, at = ifindex](const auto &vlan) { return vlan.first.ifindex == at; });
        if (port.vtep != vtep.slot && (port.vtep != 0 || other))
            continue;
        xv_port rest = port;
        rest.vtep = 0;
        if (other)
            TRY(tables.ports.put(ifindex, rest));
        else
            TRY(remove_port(session, static_cast<int>(ifindex)));
    }
    TRY_ASSIGN(const auto members, tables.members.entries());
    for (const auto &[member, value] : members)
        if (member.slot == vtep.slot)
            TRY(tables.members.remove(member));
    return {};
}

} // namespace

Result<> remove_vtep(Session &session, const xv_vtep &vtep)
{
    Tables &tables = *session.tables;
    // First stop accepting packets, or they would fill the tables again.
    TRY_ASSIGN(const bool committed, is_committed(session, vtep));
    if (committed)
        TRY(tables.vnis.remove({vtep.vni, vtep.dstport, 0}));
    TRY(derive_lookups(session));
    TRY(take_from_ports(session, vtep));

    const auto ifindex = static_cast<int>(vtep.ifindex);
    TRY(unless_gone(delete_device(session, vtep)));
    for (const Hook hook : {Hook::ingress, Hook::egress})
        TRY(detach_tc(place(session, ifindex, hook), Clsact::kept));
    TRY(wait_for_running_programs()); // programs that run still may learn
    TRY(flush_entries(session, vtep));
    if ((vtep.flags & XV_VTEP_MADE_BRIDGE) != 0)
        TRY(remove_made_bridge(session, static_cast<int>(vtep.bridge)));
    TRY(tables.alive.remove(vtep.ifindex));
    add_fdb_count(tables, vtep.slot, -static_cast<std::int64_t>(tables.fdb_count[vtep.slot]));
    TRY(tables.vteps.put(vtep.slot, xv_vtep{}));
    TRY(tables.devices.remove(vtep.ifindex)); // last: until then recover() comes back here
    return {};
}

Result<> release_unused_underlays(Session &session)
{
    std::set<__u32> used;
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps)
        used.insert(vtep.underlays, vtep.underlays + vtep.underlay_count);
    TRY_ASSIGN(const auto underlays, session.tables->underlays.entries());
    for (const auto &[index, underlay] : underlays) {
        const auto ifindex = static_cast<int>(index);
        TRY_ASSIGN(const auto link, find_link(session, ifindex));
        if (link && used.contains(index))
            continue;
        if (link) {
            if (underlay.mode != XV_MODE_TC)
                TRY(detach_xdp(ifindex)); // before TC, which completes what XDP has begun
            TRY(unless_gone(put_gro_back(*link, underlay)));
        }
        TRY(detach_tc(place(session, ifindex, Hook::ingress), Clsact::kept));
        TRY(detach_tc(place(session, ifindex, Hook::egress),
                      clsact_after(underlay.made_clsact != 0)));
        TRY(session.tables->alive.remove(index));
        TRY(session.tables->underlays.remove(index));
    }
    return {};
}

Result<> release_empty_datapath(Session &session)
{
    if (!session.tables)
        return {};
    TRY_ASSIGN(const auto devices, session.tables->devices.entries());
    TRY_ASSIGN(const auto underlays, session.tables->underlays.entries());
    TRY_ASSIGN(const auto ports, session.tables->ports.entries());
    if (!devices.empty() || !underlays.empty() || !ports.empty())
        return {};
    end_route_queries(session);
    TRY(remove_state(session.root, session.cookie));
    session.tables.reset();
    return {};
}

} // namespace xvtep
