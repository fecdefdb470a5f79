// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/build.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "user/base/undo.h"
#include "user/lab/entries.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"
#include "user/lab/tagging.h"
#include "user/net/sysctl.h"
#include "user/vtep/session.h"
#include "xvtep/port.h"

namespace xvtep {

namespace {

// The group of a lab's loopback devices: what tells these namespaces from others of such a name.
constexpr std::uint32_t lab_group = 0x78767465;
constexpr const char *switch_bridge = "switch";

Result<int> index_of(LabNode &node, const std::string &device)
{
    TRY_ASSIGN(const Link link, node.netlink.link(device));
    return link.index;
}

Result<> set_up(LabNode &node, int index)
{
    return node.netlink.change_link(index, {.up = true});
}

Result<> add_addresses(LabNode &node, int index, const std::vector<Prefix> &addresses)
{
    for (const Prefix &address : addresses)
        TRY(node.netlink.add_address(index, address));
    return {};
}

Result<> add_routes(LabNode &node, const std::vector<LabRoute> &routes)
{
    for (const LabRoute &route : routes) {
        int oif = 0;
        if (!route.dev.empty()) {
            TRY_ASSIGN(oif, index_of(node, route.dev));
        } else if (route.via) {
            TRY_ASSIGN(const Route next, node.netlink.route_to(*route.via));
            oif = next.oif;
        }
        TRY(node.netlink.add_route(route.to, route.via, oif));
    }
    return {};
}

Result<int> add_bridge(LabNode &node, const LabBridge &bridge)
{
    TRY_ASSIGN(const int index, node.netlink.add_bridge({.name = bridge.name, .mac = bridge.mac}));
    // Set, not given at birth: only so does the bridge keep it whatever its ports have.
    if (bridge.mtu)
        TRY(node.netlink.change_link(index, {.mtu = *bridge.mtu}));
    TRY(set_up(node, index));
    return index;
}

VxlanOptions kernel_options(const AttachRequest &request, int lower)
{
    VxlanOptions options{request};
    options.lower = lower;
    options.reserved_bits = std::nullopt; // since Linux 6.14
    return options;
}

// Trunks: what `xvtep port add TRUNK --vlan` does for xvtep's.
Result<> tie_ports(LabNode &node, const LabVtep &vtep)
{
    TRY_ASSIGN(const int device, index_of(node, vtep.request.name));
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    for (const LabPort &port : vtep.ports)
        if (port.vlan) {
            TRY_ASSIGN(const int trunk, index_of(node, port.name));
            TRY(tie_vlan(device, trunk, *port.vlan));
        }
    return {};
}

Result<> add_kernel_vtep(LabNode &node, const AttachRequest &request)
{
    TRY_ASSIGN(const int lower, index_of(node, request.devices.front()));
    TRY_ASSIGN(const int index, node.netlink.add_vxlan(
                                    {.name = request.name, .mac = request.mac, .mtu = request.mtu},
                                    kernel_options(request, lower)));
    if (request.bridge.empty())
        return {};
    auto bridge = index_of(node, request.bridge);
    if (!bridge)
        bridge = add_bridge(node, {.name = request.bridge, .mac = {}, .mtu = {}});
    TRY(bridge);
    return node.netlink.change_link(index, {.master = *bridge});
}

Result<> add_xvtep(LabNode &node, const LabVtep &vtep)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY(attach(vtep.request));
    for (const LabPort &port : vtep.ports)
        TRY(add_port({.name = port.name,
                      .vni = vtep.request.vni,
                      .dstport = vtep.request.dstport,
                      .vlan = port.vlan,
                      .mode = vtep.request.mode}));
    return {};
}

// One wire: a veth between two namespaces; at a switch, its end is a port of the bridge.
class Builder {
  public:
    explicit Builder(const LabState &state) : state_(state), lab_(state.lab) {}

    Result<> build()
    {
        for (const std::string &node : lab_.nodes())
            TRY(add_node(node));
        for (const std::string &name : lab_.switches)
            TRY(at(name, add_bridge(nodes_.at(name), {switch_bridge, {}, {}})));
        for (const LabHost &host : lab_.hosts)
            TRY(at(host.name, add_bridges(host)));
        for (const LabWire &wire : lab_.wires)
            TRY(at(wire.ends[0].node, add_wire(wire)));
        for (const LabHost &host : lab_.hosts) {
            for (const LabContainer &container : host.containers) {
                LabNode &inside = nodes_.at(container.name);
                TRY(at(container.name, tie_container(nodes_.at(host.name), inside, container)));
                if (!host.agent)
                    TRY(at(container.name, raise_container(inside, container, false)));
            }
            TRY(at(host.name, configure(host)));
        }
        const std::set<std::string> kernel = kernel_hosts(state_);
        for (const LabHost &host : lab_.hosts)
            for (const LabVtep &vtep : host.vteps)
                TRY(at(host.name,
                       plug_vtep(nodes_.at(host.name), vtep, kernel.contains(host.name))));
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
        TRY_ASSIGN(LabNode node, LabNodes::open(netns_name));
        TRY(at(name, node.netlink.change_link(1, {.group = lab_group})));
        TRY(at(name, prepare(node)));
        nodes_.emplace(name, std::move(node));
        return {};
    }

    // Link-local addresses are usable at once: no duplicate address detection.
    static Result<> prepare(LabNode &node)
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY(set_sysctl("net/ipv6/conf/all/accept_dad", "0"));
        return set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    }

    Result<> add_bridges(const LabHost &host)
    {
        for (const LabBridge &bridge : host.bridges)
            TRY(add_bridge(nodes_.at(host.name), bridge));
        return {};
    }

    std::string end_device(const LabWireEnd &end)
    {
        return end.device.empty() ? "port" + std::to_string(++switch_ports_[end.node]) : end.device;
    }

    Result<> finish_end(const LabWireEnd &end, const std::string &device)
    {
        LabNode &node = nodes_.at(end.node);
        TRY_ASSIGN(const int index, index_of(node, device));
        if (end.device.empty()) {
            TRY_ASSIGN(const int bridge, index_of(node, switch_bridge));
            TRY(node.netlink.change_link(index, {.master = bridge}));
        }
        return set_up(node, index);
    }

    Result<> add_wire(const LabWire &wire)
    {
        const std::string one = end_device(wire.ends[0]), other = end_device(wire.ends[1]);
        TRY(nodes_.at(wire.ends[0].node)
                .netlink.add_veth({.name = one, .mtu = wire.mtu}, {.name = other, .mtu = wire.mtu},
                                  nodes_.at(wire.ends[1].node).netns.fd()));
        TRY(finish_end(wire.ends[0], one));
        return finish_end(wire.ends[1], other);
    }

    // Whom an agent is to hear comes up when it listens.
    Result<> start_services()
    {
        if (!lab_.directory)
            return {};
        if (const std::string &host = lab_.directory->host; !host.empty())
            TRY(at(host, start_directory(state_, nodes_.at(host))));
        for (const LabHost &host : lab_.hosts)
            if (host.agent)
                TRY(at(host.name, start_agent(state_, host, nodes_.at(host.name))));
        for (const LabHost &host : lab_.hosts) {
            std::vector<std::string> heard;
            for (const LabContainer &container : host.containers) {
                if (!host.agent)
                    continue;
                TRY(at(container.name,
                       raise_container(nodes_.at(container.name), container, true)));
                if (!container.bridge.empty())
                    heard.push_back(container.name);
            }
            TRY(await_heard(state_, host.name, heard));
        }
        return {};
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
            TRY_ASSIGN(const int index, index_of(node, device));
            TRY(add_addresses(node, index, addresses));
        }
        return add_routes(node, host.routes);
    }

    const LabState &state_;
    const LabDescription &lab_;
    Undo undo_;
    std::map<std::string, LabNode> nodes_;
    std::map<std::string, unsigned> switch_ports_;
};

// With their VTEPs go the ports; what a killed command left is repaired first.
Result<> detach_all(const LabNode &node)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY(Session::writer("lab down", node.name));
    TRY_ASSIGN(const std::vector<VtepInfo> vteps, list_vteps({}));
    for (const VtepInfo &vtep : vteps) {
        const auto device = std::ranges::find_if(
            vtep.devices, [](const std::string &name) { return !name.empty(); });
        if (device != vtep.devices.end())
            TRY(detach(*device, vtep.vni));
    }
    return {};
}

// At once: a process in the namespace would keep them alive.
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

std::string namespace_of(const std::string &lab, const std::string &node)
{
    return "xvtep-" + lab + "-" + node;
}

Result<LabNode> LabNodes::open(const std::string &netns_name)
{
    TRY_ASSIGN(Netns netns, Netns::open(netns_name));
    TRY_ASSIGN(const Netns::Scope scope, netns.enter());
    TRY_ASSIGN(Netlink netlink, Netlink::open());
    return LabNode{netns_name, std::move(netns), std::move(netlink)};
}

Result<LabNodes> LabNodes::open(const LabDescription &lab)
{
    LabNodes nodes;
    for (const std::string &name : lab.nodes()) {
        TRY_ASSIGN(LabNode node, open(namespace_of(lab.name, name)));
        nodes.nodes_.emplace(name, std::move(node));
    }
    return nodes;
}

std::set<std::string> kernel_hosts(const LabState &state)
{
    std::set<std::string> names;
    std::string last;
    for (const LabHost &host : state.lab.hosts) {
        if (host.vteps.empty())
            continue;
        if (state.kernel)
            names.insert(host.name);
        last = host.name;
    }
    if (state.kernel_peer && !last.empty())
        names.insert(last);
    return names;
}

Result<> plug_vtep(LabNode &node, const LabVtep &vtep, bool kernel)
{
    TRY(kernel ? add_kernel_vtep(node, vtep.request) : add_xvtep(node, vtep));
    TRY_ASSIGN(const int index, index_of(node, vtep.request.name));
    TRY(set_up(node, index));
    if (kernel)
        TRY(tie_ports(node, vtep));
    for (const LabFdbEntry &entry : vtep.fdb)
        TRY(add_fdb(node, vtep.request.name, entry.mac, entry.dst, kernel));
    for (const LabNeighbour &neighbour : vtep.neighbours)
        TRY(replace_neigh(node, vtep.request.name, neighbour, kernel));
    TRY(add_addresses(node, index, vtep.addresses));
    return add_routes(node, vtep.routes);
}

Result<> unplug_vtep(LabNode &node, const LabVtep &vtep, bool kernel)
{
    if (kernel) {
        TRY_ASSIGN(const int index, index_of(node, vtep.request.name));
        return node.netlink.delete_link(index);
    }
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY(detach(vtep.request.devices.front(), vtep.request.vni));
    return {};
}

Result<> tie_container(LabNode &host, LabNode &inside, const LabContainer &container)
{
    TRY_ASSIGN(const int index,
               host.netlink.add_veth(
                   {.name = container.host_device, .mtu = container.mtu},
                   {.name = container.device, .mac = container.mac, .mtu = container.mtu},
                   inside.netns.fd()));
    if (!container.bridge.empty()) {
        TRY_ASSIGN(const int bridge, index_of(host, container.bridge));
        TRY(host.netlink.change_link(index, {.master = bridge}));
    }
    TRY(set_up(host, index));
    if (container.trunk.empty())
        return {};
    TRY_ASSIGN(const int trunk, index_of(host, container.trunk));
    TRY_ASSIGN(const Netns::Scope scope, host.netns.enter());
    return tie_vlan(index, trunk, container.vlan);
}

Result<> raise_container(LabNode &inside, const LabContainer &container, bool announce)
{
    TRY_ASSIGN(const int index, index_of(inside, container.device));
    if (announce) {
        TRY_ASSIGN(const Netns::Scope scope, inside.netns.enter());
        TRY(set_sysctl("net/ipv4/conf/" + container.device + "/arp_notify", "1"));
        TRY(set_sysctl("net/ipv6/conf/" + container.device + "/ndisc_notify", "1"));
    } else {
        TRY(set_up(inside, index));
    }
    TRY(add_addresses(inside, index, container.addresses));
    if (announce) // of what it has by then
        TRY(set_up(inside, index));
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
        auto node = LabNodes::open(name);
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
        if (auto node = LabNodes::open(name))
            nodes.push_back(std::move(*node));
    // All of them before any device goes: a wire takes its other end along, and that the VTEP on
    // it.
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
