// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/port.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>

#include <algorithm>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/net/ethtool.h"
#include "user/vtep/device.h"
#include "user/vtep/health.h"
#include "user/vtep/members.h"
#include "user/vtep/repair.h"
#include "user/vtep/session.h"
#include "user/vtep/underlay.h"

namespace xvtep {
namespace {

// Sets a feature of a veth's other end; where it has to be, `flag` says so in the port's entry before
// it is: else nobody would put it back after a kill in between. An error where it is out of reach.
Result<> switch_peer(Session &session, const Link &veth, const char *feature, bool wanted,
                     xv_port &port, __u32 flag)
{
    return with_veth_peer(session.netlink, veth, [&](const std::string &peer) -> Result<> {
        TRY_ASSIGN(const bool on, device_feature(peer, feature));
        if (on == wanted)
            return {};
        port.flags |= flag;
        TRY(session.tables->ports.put(static_cast<__u32>(veth.index), port));
        return set_device_feature(peer, feature, wanted);
    });
}

bool has_vlans(const Session &session, __u32 ifindex)
{
    return std::ranges::any_of(session.tables->vlans.entries(),
                               [&](const auto &vlan) { return vlan.first.ifindex == ifindex; });
}

Result<xv_vtep> find_vtep(const Session &session, const PortRequest &request)
{
    std::optional<xv_vtep> found;
    for (const auto &vtep : session.vteps()) {
        if (vtep.vni != request.vni || (request.dstport && htons(*request.dstport) != vtep.dstport))
            continue;
        if (found)
            return session.refused(
                fmt::format("VNI {} is attached on several ports (--dstport says which)",
                            request.vni),
                ENOTUNIQ);
        found = vtep;
    }
    if (!found)
        return session.refused(fmt::format("VNI {} is not attached", request.vni), ENOENT);
    return *found;
}

// Programs and a `ports` entry, for a device that has neither yet.
Result<xv_port> take_over(Session &session, const Link &link, Mode mode, Undo &undo)
{
    xv_port port{};
    TRY_SET(port.slot, free_slot(session));
    if (link.kind == "veth" && link.lower_nsid) // redirect_peer is for another namespace's
        port.flags |= XV_PORT_PEER;
    if (link.master != 0)
        port.flags |= XV_PORT_BRIDGED;
    const auto index = static_cast<__u32>(link.index);
    undo.push([&session, ifindex = link.index] { remove_port(session, ifindex); });
    TRY(session.tables->mark_alive(index));
    TRY(session.tables->ports.put(index, port));
    // veth drops XDP frames silently unless the other end polls: GRO switches that on. Where that
    // end cannot be reached, frames come through TC all the same.
    if (link.kind == "veth" && switch_peer(session, link, "rx-gro", true, port, XV_PORT_MADE_GRO))
        port.flags |= XV_PORT_XDP;
    TRY_ASSIGN(const auto made, attach_programs(session, link, Role::local, mode));
    port.mode = to_table_mode(made.mode);
    port.flags |= flag_if(link.kind.empty() && made.mode == Mode::xdp, XV_PORT_XDP);
    if (made.mode == Mode::xdp && link.kind == "veth")
        for (const auto &[feature, flag] : sender_offloads)
            TRY(switch_peer(session, link, feature, false, port, flag));
    port.flags |= flag_if(made.auto_mode, XV_PORT_AUTO_MODE) |
                  flag_if(made.made_clsact, XV_PORT_MADE_CLSACT);
    TRY(session.tables->ports.put(index, port));
    return port;
}

} // namespace

Result<> add_port(const PortRequest &request)
{
    if (request.vni == 0 || request.vni > vni_max)
        return usage_failure("port add", request.name,
                             fmt::format("VNI {} is not within 1 to {}", request.vni, vni_max));
    if (request.vlan && (*request.vlan == 0 || *request.vlan > 4094))
        return usage_failure("port add", request.name,
                             fmt::format("VLAN {} is not within 1 to 4094", *request.vlan));
    TRY_ASSIGN(auto session, Session::writer("port add", request.name));
    const auto link = session.netlink.link(request.name);
    if (!link)
        return session.refused(link.error().cause, link.error().code);
    if (link->type != ARPHRD_ETHER)
        return session.refused("not an Ethernet device", EINVAL);
    // What a bridge or a VRF forwards between its ports does not pass the device itself.
    if (link->kind == "bridge" || link->kind == "vrf")
        return session.refused(fmt::format("it is a {}: add the ports of it that are to be on the "
                                           "fast path",
                                           link->kind),
                               EINVAL);
    TRY_ASSIGN(const auto vtep, find_vtep(session, request));
    const auto index = static_cast<__u32>(link->index);
    if (session.tables->underlays.find(index) || session.tables->devices.find(index))
        return session.refused("it is an underlay port or a VTEP's device", EBUSY);

    Undo undo;
    auto port = session.tables->ports.find(index);
    if (port && request.mode != Mode::automatic && to_table_mode(request.mode) != port->mode)
        return session.refused(fmt::format("its mode is {} already",
                                           mode_name(from_table_mode(port->mode))),
                               EBUSY);
    const xv_vlan_key vlan{index, request.vlan.value_or(0)};
    if (port && (request.vlan ? session.tables->vlans.find(vlan).has_value() : port->vtep != 0))
        return session.refused(request.vlan ? fmt::format("VLAN {} has a VNI already", vlan.vid)
                                            : "it has a VNI already",
                               EEXIST);
    if (!port) {
        auto made = take_over(session, *link, request.mode, undo);
        if (!made)
            return session.because(made.error());
        port = *made;
    }
    if (request.vlan) {
        port->flags |= XV_PORT_TRUNK;
        TRY(session.tables->vlans.put(vlan, vtep.slot));
        undo.push([&] { session.tables->vlans.remove(vlan); });
    } else {
        port->vtep = vtep.slot;
    }
    // A trunk's VLANs leave the bridge's realm: the VTEP serves them itself.
    if (link->master == 0 || request.vlan)
        TRY(add_member(session, vtep.slot, {index, vlan.vid}));
    TRY(session.tables->ports.put(index, *port));
    undo.commit();
    return {};
}

Result<> delete_port(const std::string &name, std::optional<std::uint16_t> vlan)
{
    TRY_ASSIGN(auto session, Session::writer("port del", name));
    const auto link = session.netlink.link(name);
    if (!link)
        return session.refused(link.error().cause, link.error().code);
    const auto index = static_cast<__u32>(link->index);
    auto port = session.tables ? session.tables->ports.find(index) : std::nullopt;
    if (!port)
        return session.refused("not a port of xvtep", ENOENT);
    if (vlan) {
        const __u32 vid = *vlan;
        if (!session.tables->vlans.remove({index, vid}))
            return session.refused(fmt::format("VLAN {} has no VNI", vid), ENOENT);
        remove_members(session, [&](const xv_member &m) { return m.ifindex == index && m.vid == vid; });
        for (const auto &[key, entry] : session.tables->fdb.entries())
            if ((entry.flags & XV_FDB_LOCAL) != 0 && entry.dest.ifindex == index &&
                entry.dest.vid == vid)
                remove_entry(*session.tables, key);
        if (has_vlans(session, index) || port->vtep != 0) {
            if (!has_vlans(session, index))
                port->flags &= ~static_cast<__u32>(XV_PORT_TRUNK);
            TRY(session.tables->ports.put(index, *port));
            return {};
        }
    }
    remove_port(session, link->index);
    return {};
}

Result<std::vector<PortInfo>> show_ports(bool problems)
{
    TRY_ASSIGN(auto session, Session::reader("port show", ""));
    std::vector<PortInfo> all;
    if (!session.tables)
        return all;
    auto links = session.netlink.links();
    if (!links)
        return session.because(links.error());
    const auto name_of = [&](int ifindex) {
        const auto link = std::ranges::find(*links, ifindex, &Link::index);
        return link == links->end() ? std::string() : link->name;
    };
    std::optional<Inspection> inspection;
    if (problems) {
        auto begun = Inspection::begin(session, *links);
        if (!begun)
            return session.because(begun.error());
        inspection.emplace(std::move(*begun));
    }
    const auto fdb = session.tables->fdb.entries();
    const auto vlans = session.tables->vlans.entries();
    const auto add = [&](const Link &link, const xv_port &port, __u32 slot, __u32 vid) {
        const auto vtep = session.tables->vteps.find(slot);
        if (!vtep || vtep->slot == 0)
            return;
        PortInfo info{.name = link.name,
                      .vni = vtep->vni,
                      .vtep = device_name(*links, *vtep),
                      .vlan = {},
                      .mode = from_table_mode(port.mode),
                      .bridge = name_of(link.master),
                      .addresses = {},
                      .problems = {}};
        if (vid != 0)
            info.vlan = static_cast<std::uint16_t>(vid);
        for (const auto &[key, entry] : fdb)
            if ((entry.flags & XV_FDB_LOCAL) != 0 && key.vni == vtep->vni &&
                key.dstport == vtep->dstport && entry.dest.vid == vid &&
                entry.dest.ifindex == static_cast<__u32>(link.index)) {
                Mac mac;
                std::ranges::copy(key.mac, mac.octets.begin());
                info.addresses.push_back(mac);
            }
        std::ranges::sort(info.addresses);
        if (inspection)
            info.problems = inspection->of_port(static_cast<__u32>(link.index), port);
        all.push_back(std::move(info));
    };
    for (const auto &link : *links) {
        const auto port = session.tables->ports.find(static_cast<__u32>(link.index));
        if (!port)
            continue;
        if (port->vtep != 0)
            add(link, *port, port->vtep, 0);
        for (const auto &[key, slot] : vlans)
            if (key.ifindex == static_cast<__u32>(link.index))
                add(link, *port, slot, key.vid);
    }
    return all;
}

} // namespace xvtep
