// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/port.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>

#include <algorithm>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/net/ethtool.h"
#include "user/net/veth.h"
#include "user/vtep/device.h"
#include "user/vtep/grow.h"
#include "user/vtep/health.h"
#include "user/vtep/indexes.h"
#include "user/vtep/members.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/session.h"
#include "user/vtep/slots.h"
#include "user/vtep/teardown.h"

namespace xvtep {
namespace {

// Sets a feature of a veth's other end. If it has to be changed, the port's entry is first given
// `flag`, so that recover() restores the feature if the command is killed in between. Fails if the
// other end is out of reach. *`table_failed`: the failure is that of the entry.
Result<> switch_peer(Session &session, const Link &veth, const char *feature, FeatureSetting wanted,
                     xv_port &port, __u32 flag, bool *table_failed = nullptr)
{
    return with_veth_peer(session.netlink, veth, [&](const std::string &peer) -> Result<> {
        TRY_ASSIGN(const bool on, device_feature(peer, feature));
        if (on == (wanted == FeatureSetting::on))
            return {};
        port.flags |= flag;
        if (auto put = session.tables->ports.put(static_cast<__u32>(veth.index), port); !put) {
            if (table_failed != nullptr)
                *table_failed = true;
            return put;
        }
        return set_device_feature(peer, feature, wanted);
    });
}

bool is_forbidden(const Error &error)
{
    return error.code == EPERM || error.code == EACCES;
}

Result<bool> has_vlans(const Session &session, __u32 ifindex)
{
    TRY_ASSIGN(const auto vlans, session.tables->vlans.entries());
    return std::ranges::any_of(vlans,
                               [&](const auto &vlan) { return vlan.first.ifindex == ifindex; });
}

Result<xv_vtep> find_vtep(const Session &session, const PortRequest &request)
{
    std::optional<xv_vtep> found;
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps) {
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

// Attaches programs to a device that is not a port yet, and makes its `ports` entry. Until the
// entry has a VNI, recover() undoes all of it.
Result<xv_port> take_over(Session &session, const Link &link, Mode mode, Undo &undo)
{
    xv_port port{};
    TRY_SET(port.slot, free_slot(session));
    port.flags = flag_if(link.master != 0, XV_PORT_BRIDGED) |
                 // bpf_redirect_peer() needs a peer in another namespace
                 flag_if(link.kind == "veth" && link.lower_nsid.has_value(), XV_PORT_PEER);
    const auto index = static_cast<__u32>(link.index);
    undo.push([&session, ifindex = link.index] { (void)remove_port(session, ifindex); });
    TRY(session.tables->mark_alive(index));
    TRY(growing(session, &Sizes::ports, [&] { return session.tables->ports.put(index, port); }));
    if (link.kind == "veth") {
        // veth silently drops XDP frames unless NAPI runs at the other end, and GRO switches it on.
        // If that end cannot be reached, frames take TC.
        bool table_failed = false;
        const auto done = switch_peer(session, link, "rx-gro", FeatureSetting::on, port,
                                      XV_PORT_MADE_GRO, &table_failed);
        port.flags |= flag_if(done.has_value(), XV_PORT_XDP);
        if (!done && (table_failed || (!is_out_of_reach(done.error()) &&
                                       (mode == Mode::xdp || !(is_unsupported(done.error()) ||
                                                               is_forbidden(done.error()))))))
            return std::unexpected(done.error());
    }
    TRY_ASSIGN(const auto made, attach_programs(session, link, Role::local, mode));
    port.mode = to_table_mode(made.mode);
    port.flags |= flag_if(link.kind.empty() && made.mode == Mode::xdp, XV_PORT_XDP);
    if (made.mode == Mode::xdp && link.kind == "veth")
        for (const auto &[feature, flag] : sender_offloads)
            TRY(switch_peer(session, link, feature, FeatureSetting::off, port, flag));
    port.flags |=
        flag_if(made.auto_mode, XV_PORT_AUTO_MODE) | flag_if(made.made_clsact, XV_PORT_MADE_CLSACT);
    TRY(session.tables->ports.put(index, port));
    return port;
}

// Without VLAN filtering a bridge sends the tagged frames of a device with many VNIs to the port.
Result<> check_bridge(Session &session, const PortRequest &request, const Link &link,
                      const xv_vtep &vtep)
{
    if (vtep.vid == 0 || link.master == 0)
        return {};
    TRY_ASSIGN(const bool filters, session.netlink.has_vlan_filtering(link.master));
    const auto device = session.netlink.link(static_cast<int>(vtep.ifindex));
    if (!device && device.error().code != ENODEV)
        return session.wrap(device.error());
    const bool shared = device && device->master == link.master;
    if (filters || (request.vlan && !shared))
        return {};
    return session.refused(
        fmt::format("its bridge has no VLAN filtering: {}take it out of the bridge",
                    shared ? "" : fmt::format("give vlan {}, or ", vtep.vid)),
        EINVAL);
}

Result<> add(Session &session, const PortRequest &request)
{
    const auto link = session.netlink.link(request.name);
    if (!link)
        return session.refused(link.error().cause, link.error().code);
    if (link->type != ARPHRD_ETHER)
        return session.refused("not an Ethernet device", EINVAL);
    // Frames that a bridge or a VRF forwards between its ports do not pass the device itself.
    if (link->kind == "bridge" || link->kind == "vrf")
        return session.refused(fmt::format("it is a {}: add the ports of it that are to be on the "
                                           "fast path",
                                           link->kind),
                               EINVAL);
    TRY_ASSIGN(const auto vtep, find_vtep(session, request));
    TRY(check_bridge(session, request, *link, vtep));
    const Tables &tables = *session.tables;
    const auto index = static_cast<__u32>(link->index);
    TRY_ASSIGN(const auto underlay, tables.underlays.look_up(index));
    TRY_ASSIGN(const auto device, tables.devices.look_up(index));
    if (underlay || device)
        return session.refused("it is an underlay port or a VTEP's device", EBUSY);

    Undo undo;
    TRY_ASSIGN(auto port, tables.ports.look_up(index));
    if (port && request.mode != Mode::automatic && to_table_mode(request.mode) != port->mode)
        return session.refused(
            fmt::format("its mode is {} already", mode_name(from_table_mode(port->mode))), EBUSY);
    const xv_vlan_key vlan{index, request.vlan.value_or(0)};
    TRY_ASSIGN(const auto vlan_slot, tables.vlans.look_up(vlan));
    if (port && (request.vlan ? vlan_slot.has_value() : port->vtep != 0))
        return session.refused(request.vlan ? fmt::format("VLAN {} has a VNI already", vlan.vid)
                                            : "it has a VNI already",
                               EEXIST);
    if (!port)
        TRY_SET(port, take_over(session, *link, request.mode, undo));
    // The bridge does not serve the VLANs of a trunk, so the port is a member of their VTEP.
    if (link->master == 0 || request.vlan) {
        undo.push([&] {
            (void)remove_members(session, [&](__u32 slot, const xv_member &member) {
                return slot == vtep.slot && member.ifindex == index && member.vid == vlan.vid;
            });
        });
        TRY(add_member(session, vtep.slot, {index, vlan.vid}));
    }
    // The last write completes the port.
    if (request.vlan) {
        if ((port->flags & XV_PORT_TRUNK) == 0)
            undo.push([&] { (void)unmark_trunk(session, index); });
        TRY(mark_trunk(session, index));
        TRY(growing(session, &Sizes::vlans, [&] { return tables.vlans.put(vlan, vtep.slot); }));
    } else {
        port->vtep = vtep.slot;
        TRY(tables.ports.put(index, *port));
    }
    undo.commit();
    return {};
}

Result<> remove_vlan(Session &session, __u32 index, __u32 vid)
{
    const Tables &tables = *session.tables;
    TRY_ASSIGN(const bool was_there, (tables.vlans.remove({index, vid})));
    if (!was_there)
        return session.refused(fmt::format("VLAN {} has no VNI", vid), ENOENT);
    TRY(remove_members(session, [&](__u32, const xv_member &member) {
        return member.ifindex == index && member.vid == vid;
    }));
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (const auto &[key, entry] : entries)
        if ((entry.flags & XV_FDB_LOCAL) != 0 && entry.to == index && entry.several == vid)
            TRY(remove_entry(tables, key));
    return {};
}

Result<> remove(Session &session, std::optional<std::uint16_t> vlan)
{
    const auto link = session.netlink.link(session.object);
    if (!link)
        return session.refused(link.error().cause, link.error().code);
    const auto index = static_cast<__u32>(link->index);
    std::optional<xv_port> port;
    if (session.tables)
        TRY_SET(port, session.tables->ports.look_up(index));
    if (!port)
        return session.refused("not a port of xvtep", ENOENT);
    if (vlan) {
        TRY(remove_vlan(session, index, *vlan));
        TRY_ASSIGN(const bool trunk, has_vlans(session, index));
        if (trunk || port->vtep != 0)
            return trunk ? mark_trunk(session, index) : unmark_trunk(session, index);
    }
    return remove_port(session, link->index);
}

// Returns the MACs that were learned behind a port or one of its VLANs, sorted.
std::vector<Mac> addresses_behind(const std::vector<std::pair<xv_fdb_key, xv_fdb>> &fdb,
                                  const xv_vtep &vtep, int ifindex, __u32 vid)
{
    std::vector<Mac> addresses;
    for (const auto &[key, entry] : fdb)
        if ((entry.flags & XV_FDB_LOCAL) != 0 && key.vni == vtep.vni &&
            key.dstport == vtep.dstport && entry.several == vid &&
            entry.to == static_cast<__u32>(ifindex)) {
            Mac mac;
            std::ranges::copy(key.mac, mac.octets.begin());
            addresses.push_back(mac);
        }
    std::ranges::sort(addresses);
    return addresses;
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
    return session.wrap(add(session, request));
}

Result<> delete_port(const std::string &name, std::optional<std::uint16_t> vlan)
{
    TRY_ASSIGN(auto session, Session::writer("port del", name));
    return session.wrap(remove(session, vlan));
}

Result<std::vector<PortInfo>> show_ports(Problems problems)
{
    TRY_ASSIGN(auto session, Session::reader("port show", ""));
    std::vector<PortInfo> all;
    if (!session.tables)
        return all;
    auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    const auto name_of = [&](int ifindex) {
        const auto link = std::ranges::find(*links, ifindex, &Link::index);
        return link == links->end() ? std::string() : link->name;
    };
    std::optional<Inspection> inspection;
    if (problems == Problems::looked_for) {
        auto begun = Inspection::begin(session, *links);
        if (!begun)
            return session.wrap(begun.error());
        inspection.emplace(std::move(*begun));
    }
    TRY_ASSIGN(const auto fdb, session.wrap(session.tables->fdb.entries()));
    TRY_ASSIGN(const auto vlans, session.wrap(session.tables->vlans.entries()));
    const auto describe = [&](const Link &link, const xv_port &port, __u32 slot,
                              __u32 vid) -> Result<> {
        TRY_ASSIGN(const auto vtep, session.wrap(session.tables->vteps.look_up(slot)));
        if (!vtep || vtep->slot == 0)
            return {};
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
        info.addresses = addresses_behind(fdb, *vtep, link.index, vid);
        if (inspection)
            TRY_SET(info.problems,
                    session.wrap(inspection->of_port(static_cast<__u32>(link.index), port)));
        all.push_back(std::move(info));
        return {};
    };
    for (const auto &link : *links) {
        const auto index = static_cast<__u32>(link.index);
        TRY_ASSIGN(const auto port, session.wrap(session.tables->ports.look_up(index)));
        if (!port)
            continue;
        if (port->vtep != 0)
            TRY(describe(link, *port, port->vtep, 0));
        for (const auto &[key, slot] : vlans)
            if (key.ifindex == index)
                TRY(describe(link, *port, slot, key.vid));
    }
    return all;
}

} // namespace xvtep
