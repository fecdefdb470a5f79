// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/repair.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "user/datapath/bpffs.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/ethtool.h"
#include "user/vtep/device.h"
#include "user/vtep/listeners.h"
#include "user/vtep/members.h"
#include "user/vtep/underlay.h"

namespace xvtep {
namespace {

// Longer than any program runs that was begun already.
constexpr auto programs_end = std::chrono::milliseconds(5);

TcPlace place(const Session &session, int ifindex, Hook hook)
{
    return {session.directory, ifindex, hook, ""};
}

// None where there is no such device.
Result<std::optional<Link>> find_link(Session &session, int ifindex)
{
    auto link = session.netlink.link(ifindex);
    if (link)
        return std::move(*link);
    if (link.error().code == ENODEV)
        return std::nullopt;
    return std::unexpected(link.error());
}

Result<bool> is_committed(const Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto slot, (session.tables->vnis.look_up({vtep.vni, vtep.dstport, 0})));
    return slot == vtep.slot;
}

Result<> remove_made_bridge(Session &session, int ifindex)
{
    TRY_ASSIGN(const auto bridge, find_link(session, ifindex));
    if (!bridge || bridge->kind != "bridge")
        return {};
    TRY_ASSIGN(const auto links, session.netlink.links());
    if (std::ranges::any_of(links, [&](const Link &l) { return l.master == ifindex; }))
        return {};
    TRY_ASSIGN(const auto addresses, session.netlink.addresses(ifindex));
    if (std::ranges::any_of(addresses,
                            [](const Prefix &prefix) { return !prefix.address.is_link_local(); }))
        return {};
    return unless_gone(session.netlink.delete_link(ifindex));
}

// All that a table holds of one VTEP.
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
    TRY_ASSIGN(const auto floods, session.tables->remotes.entries());
    for (const auto &[key, dest] : floods)
        if (key.entry.vni == vtep.vni && key.entry.dstport == vtep.dstport)
            TRY(session.tables->remotes.remove(key));
    return flush(session.tables->neighs, vtep);
}

Result<> put_peer_back(Session &session, const Link &link, __u32 flags)
{
    if (link.kind != "veth")
        return {};
    const auto done =
        with_veth_peer(session.netlink, link, [&](const std::string &peer) -> Result<> {
            if ((flags & XV_PORT_MADE_GRO) != 0)
                TRY(set_device_feature(peer, "rx-gro", false));
            for (const auto &[feature, flag] : sender_offloads)
                if ((flags & flag) != 0)
                    TRY(set_device_feature(peer, feature, true));
            return {};
        });
    return done || is_out_of_reach(done.error()) ? Result<>() : done;
}

Result<bool> is_known(const Session &session, int ifindex)
{
    if (!session.tables)
        return false;
    const auto key = static_cast<__u32>(ifindex);
    TRY_ASSIGN(const auto underlay, session.tables->underlays.look_up(key));
    TRY_ASSIGN(const auto port, session.tables->ports.look_up(key));
    TRY_ASSIGN(const auto device, session.tables->devices.look_up(key));
    return underlay || port || device;
}

// Attachments without an entry: attach was killed before it wrote the entry, or detach after it
// had removed it.
Result<> drop_stray_attachments(Session &session, const std::vector<Link> &links)
{
    TRY_ASSIGN(const auto pinned, pinned_links(session.directory));
    for (const auto &link : pinned) {
        TRY_ASSIGN(const bool known, is_known(session, link.ifindex));
        if (link.dead || !known)
            TRY(detach_tc(place(session, link.ifindex, link.hook), true));
    }
    for (const auto &link : links) {
        if (link.xdp_program == 0)
            continue;
        TRY_ASSIGN(const bool known, is_known(session, link.index));
        if (known)
            continue;
        // One that may not be looked at is another's, as far as anybody knows.
        if (const auto ours = is_xdp_attached(link.index); ours && *ours)
            TRY(detach_xdp(link.index));
    }
    return {};
}

// `attach` was killed behind its commit: the rest of it.
Result<> finish_attach(Session &session, const xv_vtep &vtep, const std::vector<Link> &links)
{
    TRY(derive_lookups(session));
    for (const auto &link : links)
        if (link.group == unfinished_group && static_cast<__u32>(link.index) == vtep.bridge)
            TRY(session.netlink.change_link(link.index, {.up = true, .group = 0U}));
    return session.netlink.change_link(static_cast<int>(vtep.ifindex), {.up = true, .group = 0U});
}

Result<> remove_unfinished_links(Session &session, const std::vector<Link> &links)
{
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &link : links) {
        if (link.group != unfinished_group)
            continue;
        const auto index = static_cast<__u32>(link.index);
        if (std::ranges::none_of(vteps, [&](const xv_vtep &vtep) {
                return vtep.ifindex == index || vtep.bridge == index;
            }))
            TRY(unless_gone(session.netlink.delete_link(link.index)));
    }
    return {};
}

// The pins of namespaces that are gone. A namespace that is alive has a visible handle or, on
// kernels with TCX, a link that still has its device. What cannot be looked at is alive.
Result<> remove_dead_namespaces(const Session &session)
{
    TRY_ASSIGN(auto cookies, pinned_cookies(session.root));
    std::erase(cookies, session.cookie);
    std::erase_if(cookies, [&](std::uint64_t cookie) {
        const auto links = pinned_links(state_directory(session.root, cookie));
        return !links || std::ranges::any_of(*links, [](const PinnedLink &l) { return !l.dead; });
    });
    if (cookies.empty())
        return {};
    std::set<std::uint64_t> alive;
    bool all = false;
    for (const auto &netns : Netns::visible(&all)) {
        const auto cookie = netns.cookie();
        if (!cookie)
            return {};
        alive.insert(*cookie);
    }
    for (const auto cookie : cookies)
        if (all && !alive.contains(cookie))
            TRY(remove_state(session.root, cookie));
    return {};
}

// `ip link set … address` or `… name` may have changed it.
Result<> follow_device(const Session &session, xv_vtep vtep, const Link &link)
{
    if (std::ranges::equal(vtep.mac, link.mac.octets) && link.name == vtep.name)
        return {};
    std::ranges::copy(link.mac.octets, vtep.mac);
    set_name(vtep, link.name);
    return session.tables->vteps.put(vtep.slot, vtep);
}

Result<> repair_vteps(Session &session, const std::vector<Link> &links)
{
    TRY_ASSIGN(const auto devices, session.tables->devices.entries());
    for (const auto &[ifindex, slot] : devices) {
        TRY_ASSIGN(const auto found, session.tables->vteps.look_up(slot));
        xv_vtep vtep = found.value_or(xv_vtep{});
        TRY_ASSIGN(const bool known, is_committed(session, vtep));
        const bool committed = known && vtep.slot != 0;
        const Link *link = find_device(links, vtep);
        if (committed && link != nullptr) {
            TRY(follow_device(session, vtep, *link));
            if (link->group != unfinished_group || finish_attach(session, vtep, links))
                continue;
        } else if (committed) {
            TRY_ASSIGN(const bool moved, device_lives_on(session, vtep));
            if (moved) // as long as nobody detaches it
                continue;
        }
        if (vtep.slot != 0)
            session.resources->removed.push_back(vtep);
        vtep.slot = slot;
        vtep.ifindex = ifindex;
        TRY(remove_vtep(session, vtep));
    }
    return {};
}

// A port without a VNI is one that `port add` or `port del` was killed at.
Result<> repair_ports(Session &session)
{
    TRY_ASSIGN(const auto ports, session.tables->ports.entries());
    if (ports.empty())
        return {};
    TRY_ASSIGN(const auto vlans, session.tables->vlans.entries());
    for (const auto &[index, port] : ports) {
        TRY_ASSIGN(const auto alive, session.tables->alive.look_up(index));
        const bool trunk = std::ranges::any_of(
            vlans, [&, at = index](const auto &vlan) { return vlan.first.ifindex == at; });
        if (!alive || (port.vtep == 0 && !trunk))
            TRY(remove_port(session, static_cast<int>(index)));
        else if (!trunk && (port.flags & XV_PORT_TRUNK) != 0)
            TRY(mark_trunk(session, index, false));
    }
    return {};
}

// Members of no port: before their port's entry says the VNI, or behind its end.
Result<> repair_members(Session &session)
{
    TRY_ASSIGN(const auto members, session.tables->members.entries());
    if (members.empty())
        return {};
    TRY_ASSIGN(const auto vlans, session.tables->vlans.entries());
    TRY_ASSIGN(const auto ports, session.tables->ports.entries());
    std::set<std::tuple<__u32, __u32, __u32>> wanted; // slot, ifindex, VLAN
    for (const auto &[key, slot] : vlans)
        wanted.emplace(slot, key.ifindex, key.vid);
    for (const auto &[ifindex, port] : ports)
        wanted.emplace(port.vtep, ifindex, 0);
    return remove_members(session, [&](__u32 slot, const xv_member &member) {
        return wanted.erase({slot, member.ifindex, member.vid}) == 0;
    });
}

} // namespace

Result<> unless_gone(Result<> removed)
{
    if (!removed && removed.error().code == ENODEV)
        return {};
    return removed;
}

Result<> derive_lookups(Session &session)
{
    const Tables &tables = *session.tables;
    std::map<__u32, __u64> bits;
    std::map<__u32, __u32> hints;
    std::vector<xv_addr> wanted;
    const auto is = [](const xv_addr &address) {
        return [&address](const xv_addr &other) {
            return std::memcmp(&address, &other, sizeof(address)) == 0;
        };
    };
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps) {
        TRY_ASSIGN(const bool committed, is_committed(session, vtep));
        if (!committed)
            continue;
        const unsigned port = ntohs(vtep.dstport);
        bits[port / 64] |= __u64{1} << (port % 64);
        hints[vtep.vni % XV_VNI_HINTS] = vtep.slot;
        wanted.push_back(vtep.local);
        if (addr_is_set(vtep.remote) && to_ip(vtep.remote).is_multicast())
            wanted.push_back(vtep.remote);
    }
    TRY_ASSIGN(const auto words, tables.dstports.entries());
    for (const auto &[word, is_now] : words)
        if (const __u64 want = bits.contains(word) ? bits[word] : 0; is_now != want)
            TRY(tables.dstports.put(word, want));
    TRY_ASSIGN(const auto known, tables.vni_hints.entries());
    for (const auto &[hint, slot] : known)
        if (const __u32 want = hints.contains(hint) ? hints[hint] : 0; slot != want)
            TRY(tables.vni_hints.put(hint, want));
    TRY_ASSIGN(const auto local_addrs, tables.local_addrs.entries());
    for (const auto &[address, count] : local_addrs)
        if (std::ranges::none_of(wanted, is(address)))
            TRY(tables.local_addrs.remove(address));
    for (const auto &address : wanted)
        TRY(tables.local_addrs.put(address, 1));
    return {};
}

Result<> mark_trunk(Session &session, __u32 ifindex, bool trunk)
{
    TRY_ASSIGN(auto port, session.tables->ports.look_up(ifindex));
    if (!port || ((port->flags & XV_PORT_TRUNK) != 0) == trunk)
        return {};
    port->flags ^= XV_PORT_TRUNK;
    return session.tables->ports.put(ifindex, *port);
}

Result<> remove_port(Session &session, int ifindex)
{
    Tables &tables = *session.tables;
    const auto index = static_cast<__u32>(ifindex);
    TRY_ASSIGN(auto port, tables.ports.look_up(index));
    TRY_ASSIGN(const auto link, find_link(session, ifindex));
    TRY_ASSIGN(const auto alive, tables.alive.look_up(index));
    const bool same = link && alive; // else another device has its index
    // Without a VNI a repair takes it for what it is, wherever this ends.
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
    TRY(detach_tc(place(session, ifindex, Hook::egress), false));
    TRY(detach_tc(place(session, ifindex, Hook::ingress),
                  port && same && (port->flags & XV_PORT_MADE_CLSACT) != 0));
    TRY(tables.alive.remove(index));
    TRY(remove_members(session, [&](__u32, const xv_member &m) { return m.ifindex == index; }));
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (const auto &[key, entry] : entries)
        if ((entry.flags & XV_FDB_LOCAL) != 0 && entry.dest.ifindex == index)
            TRY(remove_entry(tables, key));
    return tables.ports.remove(index);
}

namespace {

// A VTEP's, and with its last VNI the port.
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
    // First, packets stop being taken: or they would teach what has just been flushed.
    TRY_ASSIGN(const bool committed, is_committed(session, vtep));
    if (committed)
        TRY(tables.vnis.remove({vtep.vni, vtep.dstport, 0}));
    TRY(derive_lookups(session));
    TRY(take_from_ports(session, vtep));

    const auto ifindex = static_cast<int>(vtep.ifindex);
    TRY(unless_gone(delete_device(session, vtep)));
    for (const Hook hook : {Hook::ingress, Hook::egress})
        TRY(detach_tc(place(session, ifindex, hook), false));
    std::this_thread::sleep_for(programs_end);
    TRY(flush_entries(session, vtep));
    if ((vtep.flags & XV_VTEP_MADE_BRIDGE) != 0)
        TRY(remove_made_bridge(session, static_cast<int>(vtep.bridge)));
    TRY(tables.alive.remove(vtep.ifindex));
    add_fdb_count(tables, vtep.slot, -static_cast<std::int64_t>(tables.fdb_count[vtep.slot]));
    TRY(tables.vteps.put(vtep.slot, xv_vtep{}));
    TRY(tables.devices.remove(vtep.ifindex)); // last: until then a repair comes back here
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
                TRY(detach_xdp(ifindex)); // before TC, which finishes what XDP has begun
            TRY(unless_gone(put_gro_back(*link, underlay)));
        }
        TRY(detach_tc(place(session, ifindex, Hook::ingress), false));
        TRY(detach_tc(place(session, ifindex, Hook::egress), underlay.made_clsact != 0));
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
    TRY(remove_state(session.root, session.cookie));
    session.tables.reset();
    return {};
}

Result<> repair(Session &session)
{
    TRY_ASSIGN(const auto links, session.netlink.links());
    if (session.tables) {
        TRY(repair_vteps(session, links));
        TRY(repair_ports(session));
        TRY(repair_members(session));
        TRY(release_unused_underlays(session));
        TRY(remove_dead_listeners(session));
    }
    TRY(remove_unfinished_links(session, links));
    TRY(drop_stray_attachments(session, links));
    TRY(release_empty_datapath(session));
    if (!session.tables)
        TRY(remove_state(session.root, session.cookie)); // a half-made one
    return remove_dead_namespaces(session);
}

} // namespace xvtep
