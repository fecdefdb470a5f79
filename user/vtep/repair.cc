// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/repair.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

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

bool is_committed(const Session &session, const xv_vtep &vtep)
{
    const xv_vni_key key{vtep.vni, vtep.dstport, 0};
    return session.tables->vnis.find(key) == vtep.slot;
}

void remove_made_bridge(Session &session, int ifindex)
{
    const auto bridge = session.netlink.link(ifindex);
    if (!bridge || bridge->kind != "bridge")
        return;
    const auto links = session.netlink.links();
    if (!links || std::ranges::any_of(*links, [&](const Link &l) { return l.master == ifindex; }))
        return;
    const auto addresses = session.netlink.addresses(ifindex);
    if (!addresses || std::ranges::any_of(*addresses, [](const Prefix &prefix) {
            return !prefix.address.is_link_local();
        }))
        return;
    (void)session.netlink.delete_link(ifindex);
}

// All that a table holds of one VTEP.
template <class Key, class Value> void flush(const Table<Key, Value> &table, const xv_vtep &vtep)
{
    for (const auto &[key, value] : table.entries())
        if (key.vni == vtep.vni && key.dstport == vtep.dstport)
            table.remove(key);
}

void flush_entries(const Session &session, const xv_vtep &vtep)
{
    flush(session.tables->fdb, vtep);
    for (const auto &[key, dest] : session.tables->floods.entries())
        if (key.entry.vni == vtep.vni && key.entry.dstport == vtep.dstport)
            session.tables->floods.remove(key);
    flush(session.tables->neighs, vtep);
}

void forget_device(Session &session, int ifindex)
{
    for (const Hook hook : {Hook::ingress, Hook::egress})
        detach_tc(place(session, ifindex, hook), false);
}

void put_peer_back(Session &session, const Link &link, __u32 flags)
{
    if (link.kind != "veth")
        return;
    (void)with_veth_peer(session.netlink, link, [&](const std::string &peer) -> Result<> {
        if ((flags & XV_PORT_MADE_GRO) != 0)
            TRY(set_device_feature(peer, "rx-gro", false));
        for (const auto &[feature, flag] : sender_offloads)
            if ((flags & flag) != 0)
                TRY(set_device_feature(peer, feature, true));
        return {};
    });
}

// Attachments without an entry: attach was killed before it wrote the entry, or detach after it
// had removed it.
void drop_stray_attachments(Session &session, const std::vector<Link> &links)
{
    const auto known = [&](int ifindex) {
        const auto key = static_cast<__u32>(ifindex);
        return session.tables && (session.tables->underlays.find(key) ||
                                  session.tables->ports.find(key) || session.tables->devices.find(key));
    };
    for (const auto &link : pinned_links(session.directory))
        if (link.dead || !known(link.ifindex))
            detach_tc(place(session, link.ifindex, link.hook), true);
    for (const auto &link : links)
        if (link.xdp_program != 0 && !known(link.index))
            detach_xdp(link.index); // ours only
}

void remove_unfinished_links(Session &session, const std::vector<Link> &links)
{
    const auto vteps = session.vteps();
    for (const auto &link : links) {
        if (link.group != unfinished_group)
            continue;
        const auto index = static_cast<__u32>(link.index);
        const bool finished = std::ranges::any_of(vteps, [&](const xv_vtep &v) {
            return is_committed(session, v) && (v.ifindex == index || v.bridge == index);
        });
        if (finished)
            (void)session.netlink.change_link(link.index, {.group = 0U});
        else
            (void)session.netlink.delete_link(link.index);
    }
}

// The pins of namespaces that are gone. A namespace that is alive has a visible handle or, on
// kernels with TCX, a link that still has its device.
void remove_dead_namespaces(const Session &session)
{
    auto cookies = pinned_cookies(session.root);
    std::erase(cookies, session.cookie);
    std::erase_if(cookies, [&](std::uint64_t cookie) {
        return std::ranges::any_of(pinned_links(state_directory(session.root, cookie)),
                                   [](const PinnedLink &link) { return !link.dead; });
    });
    if (cookies.empty())
        return;
    std::set<std::uint64_t> alive;
    for (const auto &netns : Netns::visible())
        if (const auto cookie = netns.cookie())
            alive.insert(*cookie);
    for (const auto cookie : cookies)
        if (!alive.contains(cookie))
            remove_state(session.root, cookie);
}

// `ip link set … address` or `… name` may have changed it.
void follow_device(const Session &session, xv_vtep vtep, const Link &link)
{
    if (std::ranges::equal(vtep.mac, link.mac.octets) && link.name == vtep.name)
        return;
    std::ranges::copy(link.mac.octets, vtep.mac);
    set_name(vtep, link.name);
    (void)session.tables->vteps.put(vtep.slot, vtep);
}

} // namespace

void derive_lookups(Session &session)
{
    std::map<__u32, __u64> bits;
    std::map<__u32, __u32> hints;
    std::vector<xv_addr> wanted;
    const auto is = [](const xv_addr &address) {
        return [&address](const xv_addr &other) {
            return std::memcmp(&address, &other, sizeof(address)) == 0;
        };
    };
    for (const auto &vtep : session.vteps()) {
        if (!is_committed(session, vtep))
            continue;
        const unsigned port = ntohs(vtep.dstport);
        bits[port / 64] |= __u64{1} << (port % 64);
        hints[vtep.vni % XV_VNI_HINTS] = vtep.slot;
        wanted.push_back(vtep.local);
        if (addr_is_set(vtep.remote) && to_ip(vtep.remote).is_multicast())
            wanted.push_back(vtep.remote);
    }
    for (__u32 word = 0; word < 65536 / 64; word++) {
        const __u64 want = bits.contains(word) ? bits[word] : 0;
        if (session.tables->dstports.find(word) != want)
            (void)session.tables->dstports.put(word, want);
    }
    for (const auto &[hint, slot] : session.tables->vni_hints.entries()) {
        const __u32 want = hints.contains(hint) ? hints[hint] : 0;
        if (slot != want)
            (void)session.tables->vni_hints.put(hint, want);
    }
    for (const auto &[address, count] : session.tables->locals.entries())
        if (std::ranges::none_of(wanted, is(address)))
            session.tables->locals.remove(address);
    for (const auto &address : wanted)
        (void)session.tables->locals.put(address, 1);
}

void remove_port(Session &session, int ifindex)
{
    const auto index = static_cast<__u32>(ifindex);
    const auto port = session.tables->ports.find(index);
    const auto link = session.netlink.link(ifindex);
    const bool same = session.tables->alive.find(index).has_value();
    if (port && link && same) { // else another device has its index
        detach_xdp(ifindex);
        put_peer_back(session, *link, port->flags);
    }
    detach_tc(place(session, ifindex, Hook::egress), false);
    detach_tc(place(session, ifindex, Hook::ingress),
              port && same && (port->flags & XV_PORT_MADE_CLSACT) != 0);
    session.tables->alive.remove(index);
    for (const auto &[key, slot] : session.tables->vlans.entries())
        if (key.ifindex == index)
            session.tables->vlans.remove(key);
    remove_members(session, [&](const xv_member &member) { return member.ifindex == index; });
    for (const auto &[key, entry] : session.tables->fdb.entries())
        if ((entry.flags & XV_FDB_LOCAL) != 0 && entry.dest.ifindex == index)
            remove_entry(*session.tables, key);
    session.tables->ports.remove(index);
}

void remove_vtep(Session &session, const xv_vtep &vtep)
{
    Tables &tables = *session.tables;
    const xv_vni_key key{vtep.vni, vtep.dstport, 0};
    // First, packets stop being taken: or they would teach what has just been flushed.
    if (tables.vnis.find(key) == vtep.slot)
        tables.vnis.remove(key);
    derive_lookups(session);

    for (const auto &[vlan, slot] : tables.vlans.entries())
        if (slot == vtep.slot)
            tables.vlans.remove(vlan);
    for (const auto &[ifindex, port] : tables.ports.entries()) {
        const bool other = std::ranges::any_of(
            tables.vlans.entries(), [&](const auto &vlan) { return vlan.first.ifindex == ifindex; });
        if (port.vtep == vtep.slot || (port.vtep == 0 && !other)) {
            xv_port rest = port;
            rest.vtep = 0;
            if (other)
                (void)tables.ports.put(ifindex, rest);
            else
                remove_port(session, static_cast<int>(ifindex));
        }
    }
    for (const auto &[member, value] : tables.members.entries())
        if (member.slot == vtep.slot)
            tables.members.remove(member);

    const auto ifindex = static_cast<int>(vtep.ifindex);
    (void)delete_device(session, vtep);
    forget_device(session, ifindex);
    std::this_thread::sleep_for(programs_end);
    flush_entries(session, vtep);
    if ((vtep.flags & XV_VTEP_MADE_BRIDGE) != 0)
        remove_made_bridge(session, static_cast<int>(vtep.bridge));
    tables.alive.remove(vtep.ifindex);
    add_usage(tables, vtep.slot, -static_cast<std::int64_t>(tables.usage[vtep.slot]));
    (void)tables.vteps.put(vtep.slot, xv_vtep{});
    tables.devices.remove(vtep.ifindex); // last: until then a repair comes back here
}

void release_unused_underlays(Session &session)
{
    std::set<__u32> used;
    for (const auto &vtep : session.vteps())
        used.insert(vtep.underlays, vtep.underlays + vtep.underlay_count);
    for (const auto &[index, underlay] : session.tables->underlays.entries()) {
        const auto ifindex = static_cast<int>(index);
        const auto link = session.netlink.link(ifindex);
        if (link && used.contains(index))
            continue;
        if (link) {
            detach_xdp(ifindex); // before TC, which finishes what XDP has begun
            (void)put_gro_back(*link, underlay);
        }
        detach_tc(place(session, ifindex, Hook::ingress), false);
        detach_tc(place(session, ifindex, Hook::egress), underlay.made_clsact != 0);
        session.tables->alive.remove(index);
        session.tables->underlays.remove(index);
    }
}

void release_empty_datapath(Session &session)
{
    if (session.tables && session.tables->devices.entries().empty() &&
        session.tables->underlays.entries().empty() && session.tables->ports.entries().empty()) {
        session.tables.reset();
        remove_state(session.root, session.cookie);
    }
}

Result<> repair(Session &session)
{
    auto links = session.netlink.links();
    if (!links)
        return session.because(links.error());
    if (session.tables) {
        for (const auto &[ifindex, slot] : session.tables->devices.entries()) {
            auto vtep = session.tables->vteps.find(slot).value_or(xv_vtep{});
            const auto link = std::ranges::find(*links, static_cast<int>(ifindex), &Link::index);
            const bool committed = vtep.slot != 0 && is_committed(session, vtep);
            if (committed && link != links->end() && is_device_of(*link, vtep)) {
                follow_device(session, vtep, *link);
                continue;
            }
            if (committed && device_lives_on(session, vtep)) // moved: as long as nobody detaches it
                continue;
            if (committed)
                session.resources->removed.push_back(vtep);
            vtep.slot = slot;
            vtep.ifindex = ifindex;
            remove_vtep(session, vtep);
        }
        for (const auto &[ifindex, port] : session.tables->ports.entries())
            if (!session.tables->alive.find(ifindex))
                remove_port(session, static_cast<int>(ifindex));
        release_unused_underlays(session);
        remove_dead_listeners(session);
    }
    remove_unfinished_links(session, *links);
    drop_stray_attachments(session, *links);
    release_empty_datapath(session);
    if (!session.tables)
        remove_state(session.root, session.cookie); // a half-made one
    remove_dead_namespaces(session);
    return {};
}

} // namespace xvtep
