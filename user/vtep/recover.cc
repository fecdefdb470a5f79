// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/recover.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "user/datapath/bpffs.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/vtep/change.h"
#include "user/vtep/device.h"
#include "user/vtep/indexes.h"
#include "user/vtep/listeners.h"
#include "user/vtep/members.h"
#include "user/vtep/remote_repair.h"
#include "user/vtep/source.h"
#include "user/vtep/teardown.h"
#include "user/vtep/vni_table.h"

namespace xvtep {
namespace {

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

// Detaches programs from devices that have no table entry: attach was killed before it wrote the
// entry, or detach after it had removed it.
Result<> drop_stray_attachments(Session &session, const std::vector<Link> &links)
{
    TRY_ASSIGN(const auto pinned, pinned_links(session.directory));
    for (const auto &link : pinned) {
        TRY_ASSIGN(const bool known, is_known(session, link.ifindex));
        if (link.dead || !known)
            TRY(detach_tc({session.directory, link.ifindex, link.hook, ""},
                          Clsact::removed_if_unused));
    }
    for (const auto &link : links) {
        if (link.xdp_program == 0)
            continue;
        TRY_ASSIGN(const bool known, is_known(session, link.index));
        if (known)
            continue;
        // A program that cannot be read is treated as foreign.
        if (const auto ours = is_xdp_attached(link.index); ours && *ours)
            TRY(detach_xdp(link.index));
    }
    return {};
}

// Completes an attach that was killed after its commit.
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
    std::set<int> wanted;
    TRY_ASSIGN(auto vteps, session.vteps());
    TRY_ASSIGN(const auto devices, session.vni_devices());
    std::ranges::copy(devices, std::back_inserter(vteps));
    for (const auto &vtep : vteps) {
        wanted.insert(static_cast<int>(vtep.ifindex));
        wanted.insert(static_cast<int>(vtep.bridge));
    }
    for (const auto &link : links)
        if (link.group == unfinished_group && !wanted.contains(link.index))
            TRY(unless_gone(session.netlink.delete_link(link.index)));
    return {};
}

// Removes the pins of namespaces that are gone. A namespace that exists has a visible handle or, on
// kernels with TCX, a link that still has its device. One that cannot be checked counts as
// existing.
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

// Adopts the MAC and the name that `ip link set` may have given to the device.
Result<> follow_device(Session &session, xv_vtep vtep, const Link &link)
{
    if (std::ranges::equal(vtep.mac, link.mac.octets) && link.name == vtep.name)
        return {};
    std::ranges::copy(link.mac.octets, vtep.mac);
    set_name(vtep, link.name);
    if (has_many_vnis(vtep))
        return update_vni_device(session, vtep);
    return session.tables->vteps.put(vtep.slot, vtep);
}

// Returns the record with its options, also after a killed change, and with a local address that
// this host has, where the VTEP chooses it by itself.
Result<xv_vtep> repair_and_follow(Session &session, HostAddresses &addresses, xv_vtep record,
                                  const Link &link)
{
    if ((record.flags & XV_VTEP_CHANGING_OPTIONS) != 0) {
        TRY(repair_options(session, record, link));
        record.flags &= ~static_cast<__u32>(XV_VTEP_CHANGING_OPTIONS);
    }
    TRY_ASSIGN(const bool followed, follow_source(session, addresses, record));
    if (followed)
        TRY(commit_record(session, record));
    return record;
}

// Whether the VTEP in `slot` stays; it is completed if attach was killed behind its commit.
Result<bool> keep_vtep(Session &session, HostAddresses &addresses, const xv_vtep &vtep,
                       const std::vector<Link> &links)
{
    TRY_ASSIGN(const bool committed, is_committed(session, vtep));
    if (!committed || vtep.slot == 0)
        return false;
    const Link *const link = find_device(links, vtep);
    if (link == nullptr) // if it was moved, it stays until somebody detaches it
        return device_exists(session, vtep);
    TRY_ASSIGN(const auto repaired, repair_and_follow(session, addresses, vtep, *link));
    TRY(follow_device(session, repaired, *link));
    return link->group != unfinished_group || finish_attach(session, vtep, links);
}

// Whether the device with many VNIs stays. It has no group when attach is complete.
Result<bool> keep_vni_device(Session &session, HostAddresses &addresses, const xv_vtep &device,
                             const std::vector<Link> &links)
{
    const Link *const link = find_device(links, device);
    if (link == nullptr)
        return device_exists(session, device);
    if (link->group == unfinished_group)
        return false;
    TRY(repair_vnis(session, device));
    TRY_ASSIGN(const auto now, session.vtep_of_device(link->index));
    TRY_ASSIGN(const auto repaired,
               repair_and_follow(session, addresses, now.value_or(device), *link));
    TRY(follow_device(session, repaired, *link));
    return true;
}

Result<> repair_vteps(Session &session, const std::vector<Link> &links)
{
    const Tables &tables = *session.tables;
    std::vector<xv_vtep> doomed;
    std::set<__u32> known; // slots
    HostAddresses addresses(session);
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps) {
        if (vtep.vid != 0)
            continue; // below, with its device
        known.insert(vtep.slot);
        TRY_ASSIGN(const bool stays, keep_vtep(session, addresses, vtep, links));
        if (stays)
            continue;
        session.resources->removed.push_back(vtep);
        doomed.push_back(vtep);
    }
    TRY_ASSIGN(const auto vni_devices, session.vni_devices());
    for (const auto &device : vni_devices) {
        known.insert(device.slot);
        TRY_ASSIGN(const bool stays, keep_vni_device(session, addresses, device, links));
        if (stays)
            continue;
        std::ranges::copy_if(vteps, std::back_inserter(session.resources->removed),
                             [&](const xv_vtep &vtep) { return vtep.ifindex == device.ifindex; });
        session.resources->removed.push_back(device);
        doomed.push_back(device);
    }
    // Detach was killed when it had removed all but this entry.
    TRY_ASSIGN(const auto devices, tables.devices.entries());
    for (const auto &[ifindex, slot] : devices) {
        if (known.contains(slot))
            continue;
        xv_vtep vtep{};
        vtep.slot = slot;
        vtep.ifindex = ifindex;
        doomed.push_back(vtep);
    }
    return remove_vteps(session, doomed);
}

// A port has no VNI if `port add` or `port del` was killed.
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
            TRY(unmark_trunk(session, index));
    }
    return {};
}

// Removes members without a port: `port add` was killed before it wrote the VNI into the port's
// entry, or `port del` after it had removed the entry.
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

Result<> recover(Session &session)
{
    TRY_ASSIGN(const auto links, session.netlink.links());
    if (session.tables) {
        TRY(repair_remotes(session)); // first: the others hold and release them
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
        TRY(remove_state(session.root, session.cookie)); // an incomplete one
    return remove_dead_namespaces(session);
}

} // namespace xvtep
