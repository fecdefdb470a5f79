// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/teardown.h"
#include "user/vtep/bridge.h"

#include <algorithm>
#include <iterator>
#include <map>
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
#include "user/vtep/slots.h"
#include "user/vtep/vni_table.h"

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

template <class Key> const auto &vni_key(const Key &key)
{
    return key;
}
const xv_fdb_key &vni_key(const xv_flood_key &key)
{
    return key.entry;
}

template <class Key, class Value>
Result<> flush(const Table<Key, Value> &table, const Leaving &leaving)
{
    TRY_ASSIGN(const auto entries, table.entries());
    for (const auto &[key, value] : entries)
        if (leaving.vnis.contains({vni_key(key).vni, vni_key(key).dstport}))
            TRY(table.remove(key));
    return {};
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

Leaving::Leaving(std::span<const xv_vtep> vteps)
{
    for (const auto &vtep : vteps) {
        slots.insert(vtep.slot);
        vnis.emplace(vtep.vni, vtep.dstport);
    }
}

Result<> flush_entries(const Session &session, const Leaving &leaving)
{
    TRY(flush(session.tables->fdb, leaving));
    TRY(flush(session.tables->floods, leaving));
    TRY(free_remotes(*session.tables, leaving.slots));
    return flush(session.tables->neighs, leaving);
}

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
    TRY(tables.ports.remove(index));
    if (port)
        give_back_slot(session, port->slot);
    return {};
}

namespace {

// Removes the VTEPs from their ports, and ports that have no other VNI.
Result<> take_from_ports(Session &session, const std::set<__u32> &slots)
{
    Tables &tables = *session.tables;
    TRY_ASSIGN(const auto vlans, tables.vlans.entries());
    std::set<__u32> with_others;
    for (const auto &[vlan, slot] : vlans) {
        if (slots.contains(slot))
            TRY(tables.vlans.remove(vlan));
        else
            with_others.insert(vlan.ifindex);
    }
    TRY_ASSIGN(const auto ports, tables.ports.entries());
    for (const auto &[ifindex, port] : ports) {
        const bool other = with_others.contains(ifindex);
        if (!slots.contains(port.vtep) && (port.vtep != 0 || other))
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
        if (slots.contains(member.slot))
            TRY(tables.members.remove(member));
    return {};
}

// Deletes links in steps: while the kernel deletes, nobody else can change the network. A bridge
// takes it a grace period.
Result<> delete_in_steps(Session &session, std::span<const int> indexes, std::size_t step)
{
    for (std::size_t at = 0; at < indexes.size(); at += step)
        TRY(session.netlink.delete_links(indexes.subspan(at, std::min(step, indexes.size() - at)),
                                         unfinished_group));
    return {};
}

// Deletes the devices in whatever namespaces they are.
Result<> delete_devices(Session &session, const std::vector<Link> &links,
                        std::span<const xv_vtep> vteps)
{
    std::set<int> here;
    MovedDevices moved(session);
    for (const auto &vtep : vteps) {
        if (const Link *const link = find_device(links, vtep)) {
            here.insert(link->index);
            continue;
        }
        TRY_ASSIGN(const auto found, moved.find(vtep));
        if (!found)
            continue;
        TRY_ASSIGN(const auto scope, found->netns->enter());
        TRY_ASSIGN(auto there, Netlink::open());
        TRY(unless_gone(there.delete_link(found->link->index)));
    }
    return delete_in_steps(session, {std::vector(here.begin(), here.end())}, 512);
}

// Deletes the bridges that were made for the VTEPs and that nobody else uses.
Result<> delete_made_bridges(Session &session, const std::vector<Link> &links,
                             std::span<const xv_vtep> vteps)
{
    std::set<int> made, leaving;
    for (const auto &vtep : vteps) {
        if ((vtep.flags & XV_VTEP_MADE_BRIDGE) != 0)
            made.insert(static_cast<int>(vtep.bridge));
        if (find_device(links, vtep) != nullptr)
            leaving.insert(static_cast<int>(vtep.ifindex));
    }
    if (made.empty())
        return {};
    TRY_ASSIGN(const auto unused, unused_bridges(session, links, made, leaving));
    return delete_in_steps(session, unused, 64);
}

// Returns the VTEPs, and those of devices with many VNIs. VTEPs whose device stays are removed.
Result<std::vector<xv_vtep>> take_apart(Session &session, std::span<const xv_vtep> wanted)
{
    std::vector<xv_vtep> whole;
    std::set<__u32> devices; // with many VNIs, by ifindex
    for (const auto &vtep : wanted)
        if (has_many_vnis(vtep))
            devices.insert(vtep.ifindex);
    std::map<__u32, std::vector<xv_vtep>> apart; // by ifindex
    for (const auto &vtep : wanted)
        if (vtep.vid == 0)
            whole.push_back(vtep);
        else if (!devices.contains(vtep.ifindex))
            apart[vtep.ifindex].push_back(vtep);
    for (const auto &[ifindex, vteps] : apart)
        TRY(remove_vnis(session, vteps));
    if (devices.empty())
        return whole;
    TRY_ASSIGN(auto all, session.vteps());
    std::erase_if(all, [&](const xv_vtep &vtep) { return !devices.contains(vtep.ifindex); });
    // The device's own record is the last to go, by which recover() finds the others.
    std::ranges::copy(whole, std::back_inserter(all));
    return all;
}

} // namespace

Result<> stop_accepting(Session &session, std::span<const xv_vtep> vteps, const Leaving &leaving)
{
    for (const auto &vtep : vteps) {
        TRY_ASSIGN(const bool committed, is_committed(session, vtep));
        if (committed)
            TRY(session.tables->vnis.remove({vtep.vni, vtep.dstport, 0}));
    }
    TRY(derive_lookups(session));
    return take_from_ports(session, leaving.slots);
}

Result<> remove_vteps(Session &session, std::span<const xv_vtep> wanted)
{
    TRY_ASSIGN(const auto vteps, take_apart(session, wanted));
    if (vteps.empty())
        return {};
    Tables &tables = *session.tables;
    const Leaving leaving(vteps);
    TRY_ASSIGN(const auto links, session.netlink.links());
    // From here on recover() removes a device with many VNIs, however many of them are left. It
    // finds one with a single VNI by its missing entry in `vnis`.
    for (const auto &vtep : vteps)
        if (const Link *const link = has_many_vnis(vtep) ? find_device(links, vtep) : nullptr)
            TRY(unless_gone(
                session.netlink.change_link(link->index, {.up = {}, .group = unfinished_group})));
    TRY(stop_accepting(session, vteps, leaving));

    TRY(delete_devices(session, links, vteps));
    for (const auto &vtep : vteps)
        for (const Hook hook : {Hook::ingress, Hook::egress})
            if (vtep.vid == 0) // once for each device
                TRY(forget_tc(place(session, static_cast<int>(vtep.ifindex), hook)));
    TRY(wait_for_running_programs()); // programs that run still may learn
    TRY(flush_entries(session, leaving));
    TRY(delete_made_bridges(session, links, vteps));
    for (const auto &vtep : vteps) {
        if (vtep.vid == 0)
            TRY(tables.alive.remove(vtep.ifindex));
        add_fdb_count(tables, vtep.slot, -static_cast<std::int64_t>(tables.fdb_count[vtep.slot]));
        TRY(tables.vteps.put(vtep.slot, xv_vtep{}));
        // Last: until then recover() comes back here.
        if (vtep.vid == 0)
            TRY(tables.devices.remove(vtep.ifindex));
        give_back_slot(session, vtep.slot);
    }
    return {};
}

Result<> release_unused_underlays(Session &session)
{
    std::set<__u32> used;
    TRY_ASSIGN(auto vteps, session.vteps());
    TRY_ASSIGN(const auto devices, session.vni_devices());
    std::ranges::copy(devices, std::back_inserter(vteps));
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
        give_back_slot(session, underlay.slot);
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
    TRY(end_route_queries(session));
    TRY(remove_state(session.root, session.cookie));
    session.tables.reset();
    return {};
}

} // namespace xvtep
