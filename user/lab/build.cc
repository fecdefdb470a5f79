// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/build.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>

#include "user/base/undo.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"
#include "user/lab/vlan.h"
#include "user/net/sysctl.h"
#include "xvtep/vtep.h"

namespace xvtep {

namespace {

// The group of the loopback device in each namespace of a lab. It tells them from other namespaces
// of such a name.
constexpr std::uint32_t lab_group = 0x78767465;
constexpr const char *switch_bridge = "switch";

class Builder {
  public:
    explicit Builder(const LabState &state) : state_(state), lab_(state.lab) {}

    Result<> build()
    {
        for (const std::string &node : lab_.nodes())
            TRY(add_node(node));
        for (const std::string &name : lab_.switches)
            TRY(at(name, nodes_.at(name).add_bridge({switch_bridge, {}, {}})));
        for (const LabHost &host : lab_.hosts)
            TRY(at(host.name, add_bridges(host)));
        for (const LabWire &wire : lab_.wires)
            TRY(at(wire.ends[0].node, add_wire(wire)));
        for (const LabHost &host : lab_.hosts) {
            TRY(add_containers(host));
            TRY(at(host.name, configure(host)));
        }
        for (const LabHost &host : lab_.hosts)
            for (const LabVtep &vtep : host.vteps)
                TRY(at(host.name,
                       make_vtep(driver_of(state_, host.name), nodes_.at(host.name), vtep)));
        TRY(start_services());
        undo_.commit();
        return {};
    }

  private:
    template <class T> Result<T> at(const std::string &node, Result<T> result)
    {
        return in_namespace(namespace_of(lab_.name, node), std::move(result));
    }

    Result<> add_node(const std::string &name)
    {
        const std::string netns_name = namespace_of(lab_.name, name);
        TRY(Netns::create(netns_name));
        undo_.push([netns_name] { (void)remove_namespaces({netns_name}); });
        TRY_ASSIGN(LabNode node, LabNode::open(netns_name));
        TRY(at(name, node.netlink.change_link(1, {.group = lab_group})));
        TRY(at(name, prepare(node)));
        nodes_.emplace(name, std::move(node));
        return {};
    }

    // Without duplicate address detection, link-local addresses are usable at once.
    static Result<> prepare(LabNode &node)
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY(set_sysctl("net/ipv6/conf/all/accept_dad", "0"));
        return set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    }

    Result<> add_bridges(const LabHost &host)
    {
        for (const LabBridge &bridge : host.bridges)
            TRY(nodes_.at(host.name).add_bridge(bridge));
        return {};
    }

    // Containers of a host with an agent are brought up later, once the agent listens.
    Result<> add_containers(const LabHost &host)
    {
        for (const LabContainer &container : host.containers) {
            LabNode &inside = nodes_.at(container.name);
            TRY(at(container.name, connect_container(nodes_.at(host.name), inside, container)));
            if (!host.agent)
                TRY(at(container.name, bring_up_container(inside, container, Announce::no)));
        }
        return {};
    }

    std::string device_of(const LabWireEnd &end)
    {
        return end.device.empty() ? "port" + std::to_string(++switch_ports_[end.node]) : end.device;
    }

    Result<> finish_end(const LabWireEnd &end, const std::string &device)
    {
        LabNode &node = nodes_.at(end.node);
        TRY_ASSIGN(const int index, node.index_of(device));
        if (end.device.empty()) {
            TRY_ASSIGN(const int bridge, node.index_of(switch_bridge));
            TRY(node.netlink.change_link(index, {.master = bridge}));
        }
        return node.set_up(index);
    }

    // A veth between two namespaces. At a switch, its end is a port of the bridge.
    Result<> add_wire(const LabWire &wire)
    {
        const std::string one = device_of(wire.ends[0]), other = device_of(wire.ends[1]);
        TRY(nodes_.at(wire.ends[0].node)
                .netlink.add_veth({.name = one, .mtu = wire.mtu}, {.name = other, .mtu = wire.mtu},
                                  nodes_.at(wire.ends[1].node).netns.fd()));
        TRY(finish_end(wire.ends[0], one));
        return finish_end(wire.ends[1], other);
    }

    Result<> start_services()
    {
        if (!lab_.directory)
            return {};
        if (const std::string &host = lab_.directory->host; !host.empty())
            TRY(at(host, start_directory(state_, nodes_.at(host))));
        for (const LabHost &host : lab_.hosts)
            if (host.agent)
                TRY(at(host.name, start_agent(state_, host, nodes_.at(host.name))));
        for (const LabHost &host : lab_.hosts)
            if (host.agent)
                TRY(announce_containers(host));
        return {};
    }

    Result<> announce_containers(const LabHost &host)
    {
        std::vector<std::string> heard;
        for (const LabContainer &container : host.containers) {
            TRY(at(container.name,
                   bring_up_container(nodes_.at(container.name), container, Announce::yes)));
            if (!container.bridge.empty())
                heard.push_back(container.name);
        }
        return await_heard(state_, host.name, heard);
    }

    Result<> configure(const LabHost &host)
    {
        LabNode &node = nodes_.at(host.name);
        {
            TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
            for (const auto &[key, value] : host.sysctls)
                TRY(set_sysctl(key, value));
        }
        for (const auto &[device, addresses] : host.addresses) {
            TRY_ASSIGN(const int index, node.index_of(device));
            TRY(node.add_addresses(index, addresses));
        }
        return node.add_routes(host.routes);
    }

    const LabState &state_;
    const LabDescription &lab_;
    Undo undo_;
    std::map<std::string, LabNode> nodes_;
    std::map<std::string, unsigned> switch_ports_;
};

Result<> detach_all(const LabNode &node)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    return detach_by_force();
}

// A process in the namespace would keep the devices alive after the namespace's name is gone.
Result<> delete_devices(LabNode &node)
{
    TRY_ASSIGN(const std::vector<Link> links, node.netlink.links());
    for (const Link &link : links)
        if (!link.kind.empty())
            if (auto deleted = node.netlink.delete_link(link.index);
                !deleted && deleted.error().code != ENODEV) // a veth goes with its peer
                return deleted;
    return {};
}

} // namespace

Result<> make_vtep(const VtepDriver &driver, LabNode &node, const LabVtep &vtep)
{
    const std::string &name = vtep.request.name;
    TRY(driver.make_vtep(node, vtep));
    TRY_ASSIGN(const int index, node.index_of(name));
    TRY(node.set_up(index));
    for (const LabFdbEntry &entry : vtep.fdb)
        TRY(driver.add_fdb(node, name, entry));
    for (const LabNeighbour &neighbour : vtep.neighbours)
        TRY(driver.replace_neigh(node, name, neighbour));
    TRY(node.add_addresses(index, vtep.addresses));
    return node.add_routes(vtep.routes);
}

Result<> connect_container(LabNode &host, LabNode &inside, const LabContainer &container)
{
    TRY_ASSIGN(const int index,
               host.netlink.add_veth(
                   {.name = container.host_device, .mtu = container.mtu},
                   {.name = container.device, .mac = container.mac, .mtu = container.mtu},
                   inside.netns.fd()));
    if (!container.bridge.empty()) {
        TRY_ASSIGN(const int bridge, host.index_of(container.bridge));
        TRY(host.netlink.change_link(index, {.master = bridge}));
    }
    TRY(host.set_up(index));
    if (container.trunk.empty())
        return {};
    TRY_ASSIGN(const int trunk, host.index_of(container.trunk));
    TRY_ASSIGN(const Netns::Scope scope, host.netns.enter());
    return connect_vlan(index, trunk, container.vlan);
}

Result<> bring_up_container(LabNode &inside, const LabContainer &container, Announce announce)
{
    TRY_ASSIGN(const int index, inside.index_of(container.device));
    if (announce == Announce::yes) {
        TRY_ASSIGN(const Netns::Scope scope, inside.netns.enter());
        TRY(set_sysctl("net/ipv4/conf/" + container.device + "/arp_notify", "1"));
        TRY(set_sysctl("net/ipv6/conf/" + container.device + "/ndisc_notify", "1"));
    } else {
        TRY(inside.set_up(index));
    }
    TRY(inside.add_addresses(index, container.addresses));
    // The kernel announces the addresses that a device has when it comes up.
    if (announce == Announce::yes)
        TRY(inside.set_up(index));
    for (const Ip &gateway : container.gateways) {
        const Prefix all{gateway.is_v4() ? Ip::v4(0) : Ip{}, 0};
        TRY(inside.netlink.add_route(all, gateway, index));
    }
    return {};
}

Result<> build_lab(const LabState &state)
{
    return Builder(state).build();
}

std::vector<std::string> lab_namespaces()
{
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/run/netns", error), end;
         !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (!name.starts_with("xvtep-"))
            continue;
        auto node = LabNode::open(name);
        if (!node)
            continue;
        if (const auto loopback = node->netlink.link("lo");
            loopback && loopback->group == lab_group)
            names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

Result<> remove_namespaces(const std::vector<std::string> &names)
{
    Result<> first;
    const auto keep = [&](const std::string &name, Result<> result) {
        if (first && !result)
            first = in_namespace(name, std::move(result));
    };
    std::vector<LabNode> nodes;
    for (const std::string &name : names)
        keep(name, kill_processes({name}));
    for (const std::string &name : names)
        if (auto node = LabNode::open(name))
            nodes.push_back(std::move(*node));
    // All VTEPs are detached before any device is removed, as a wire's other end, and the VTEP on
    // it, would go with it.
    for (const LabNode &node : nodes)
        keep(node.name, detach_all(node));
    for (LabNode &node : nodes)
        keep(node.name, delete_devices(node));
    nodes.clear();
    for (const std::string &name : names)
        if (auto removed = Netns::remove(name); !removed && removed.error().code != ENOENT)
            keep(name, std::move(removed));
    return first;
}

} // namespace xvtep
