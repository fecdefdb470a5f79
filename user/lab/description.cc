// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/description.h"

#include <algorithm>

#include "user/lab/check.h"
#include "user/lab/json_reader.h"
#include "user/lab/names.h"
#include "user/lab/values.h"
#include "user/lab/vtep_options.h"

namespace xvtep {

// The keys of each object. These functions stand outside an unnamed namespace, as json_reader.h
// finds them by the type of their second argument.

static void fields(JsonObject &json, LabRoute &route)
{
    json.need("to", route.to);
    json.take("via", route.via);
    json.take("dev", route.dev, read_ifname);
    if (!route.via && route.dev.empty())
        json.refuse("neither \"via\" nor \"dev\"");
}

static void fields(JsonObject &json, LabFdbEntry &entry)
{
    json.need("mac", entry.mac);
    json.need("dst", entry.dst);
}

static void fields(JsonObject &json, LabNeighbour &neighbour)
{
    json.need("ip", neighbour.ip);
    json.need("mac", neighbour.mac);
    json.take("nud", neighbour.state, read_neigh_state);
}

static void from_json(const JsonValue &value, LabPort &port)
{
    if (value.is_text()) {
        port.name = read_ifname(value);
        return;
    }
    JsonObject json(value);
    json.need("name", port.name, read_ifname);
    json.take("vlan", port.vlan, read_vlan);
    json.finish();
}

static void fields(JsonObject &json, LabVtep &vtep)
{
    read_vtep_options(json, vtep.request);
    json.take("addresses", vtep.addresses);
    json.take("routes", vtep.routes);
    json.take("ports", vtep.ports);
    json.take("fdb", vtep.fdb);
    json.take("neigh", vtep.neighbours);
}

static void fields(JsonObject &json, LabBridge &bridge)
{
    json.need("name", bridge.name, read_ifname);
    json.take("mac", bridge.mac);
    json.take("mtu", bridge.mtu, read_mtu);
}

static void fields(JsonObject &json, LabContainer &container)
{
    json.need("name", container.name, read_name);
    json.need("host_device", container.host_device, read_ifname);
    json.take("device", container.device, read_ifname);
    json.take("bridge", container.bridge, read_ifname);
    json.take("trunk", container.trunk, read_ifname);
    json.take("vlan", container.vlan, read_vlan);
    json.take("mtu", container.mtu, read_mtu);
    json.take("mac", container.mac);
    json.take("addresses", container.addresses);
    json.take("gateways", container.gateways);
    if (container.trunk.empty() != (container.vlan == 0) ||
        (!container.trunk.empty() && !container.bridge.empty()))
        json.refuse("\"trunk\" and \"vlan\" go together, and without \"bridge\"");
}

static std::vector<std::pair<std::string, std::string>> read_sysctls(const JsonValue &value)
{
    std::vector<std::pair<std::string, std::string>> sysctls;
    for (const auto &[key, setting] : value.members()) {
        // Other keys may be the whole machine's.
        if ((!key.starts_with("net/ipv4/") && !key.starts_with("net/ipv6/")) || key.contains(".."))
            setting.refuse("not a key under net/ipv4/ or net/ipv6/");
        sysctls.emplace_back(key, setting.text());
    }
    return sysctls;
}

static std::map<std::string, std::vector<Prefix>> read_addresses(const JsonValue &value)
{
    std::map<std::string, std::vector<Prefix>> addresses;
    for (const auto &[device, prefixes] : value.members())
        from_json(prefixes, addresses[device]);
    return addresses;
}

static void from_json(const JsonValue &value, LabDirectory &directory)
{
    if (value.is_text()) {
        if (value.text() != "file")
            value.refuse("neither \"file\" nor an object");
        return;
    }
    JsonObject json(value);
    json.need("etcd", directory.host, read_name);
    json.need("address", directory.address);
    json.take("port", directory.port, read_udp_port);
    json.finish();
}

static void fields(JsonObject &json, LabHost &host)
{
    json.need("name", host.name, read_name);
    json.take("sysctls", host.sysctls, read_sysctls);
    json.take("addresses", host.addresses, read_addresses);
    json.take("bridges", host.bridges);
    json.take("containers", host.containers);
    json.take("routes", host.routes);
    json.take("vteps", host.vteps);
    json.take("agent", host.agent);
}

static std::array<LabWireEnd, 2> read_wire_ends(const JsonValue &value)
{
    const std::vector<LabWireEnd> ends = list_of(read_wire_end)(value);
    if (ends.size() != 2 || ends[0].node == ends[1].node)
        value.refuse("not a list of two different nodes' ends");
    return {ends[0], ends[1]};
}

static void fields(JsonObject &json, LabWire &wire)
{
    json.need("ends", wire.ends, read_wire_ends);
    json.take("mtu", wire.mtu, read_mtu);
}

static std::shared_ptr<LabCheck> read_check(const JsonValue &value, const LabNames &names)
{
    JsonObject json(value);
    const JsonValue type = json.find_needed("type");
    std::shared_ptr<LabCheck> check = make_check(type.text());
    if (!check)
        type.refuse("no check is called \"" + type.text() + "\"");
    check->read(json, names);
    json.finish();
    return check;
}

LabDescription read_lab(const JsonValue &value)
{
    JsonObject json(value);
    LabDescription lab;
    json.need("name", lab.name, read_name);
    json.take("description", lab.summary);
    json.take("switches", lab.switches, list_of(read_name));
    json.need("hosts", lab.hosts);
    json.take("wires", lab.wires);
    json.take("directory", lab.directory);
    const std::optional<JsonValue> checks = json.find("checks");
    json.finish();
    if (lab.hosts.empty())
        json.refuse("\"hosts\" is empty");
    const LabNames names(lab);
    if (checks)
        for (const JsonValue &check : checks->items())
            lab.checks.push_back(read_check(check, names));
    return lab;
}

std::vector<std::string> LabDescription::nodes() const
{
    std::vector<std::string> names = switches;
    for (const LabHost &host : hosts) {
        names.push_back(host.name);
        for (const LabContainer &container : host.containers)
            names.push_back(container.name);
    }
    return names;
}

const LabHost *LabDescription::host(std::string_view host_name) const
{
    const auto found = std::ranges::find(hosts, host_name, &LabHost::name);
    return found == hosts.end() ? nullptr : &*found;
}

const LabContainer *LabDescription::container(std::string_view container_name) const
{
    for (const LabHost &known : hosts)
        for (const LabContainer &container : known.containers)
            if (container.name == container_name)
                return &container;
    return nullptr;
}

const LabHost *LabDescription::host_of(std::string_view container_name) const
{
    const auto found = std::ranges::find_if(hosts, [&](const LabHost &known) {
        return std::ranges::find(known.containers, container_name, &LabContainer::name) !=
               known.containers.end();
    });
    return found == hosts.end() ? nullptr : &*found;
}

const LabVtep *LabDescription::vtep(const LabDevice &device) const
{
    if (const LabHost *const known = host(device.node))
        for (const LabVtep &vtep : known->vteps)
            if (vtep.request.name == device.device)
                return &vtep;
    return nullptr;
}

bool LabDescription::has_agents() const
{
    return std::ranges::any_of(hosts, &LabHost::agent);
}

std::vector<std::pair<const LabHost *, const LabVtep *>> LabDescription::agent_vteps() const
{
    std::vector<std::pair<const LabHost *, const LabVtep *>> found;
    for (const LabHost &host : hosts)
        for (const LabVtep &vtep : host.vteps)
            if (host.agent)
                found.emplace_back(&host, &vtep);
    return found;
}

std::vector<Ip> LabDescription::overlay_addresses(std::string_view node) const
{
    std::vector<Ip> found;
    const auto add = [&](const std::vector<Prefix> &prefixes) {
        for (const Prefix &prefix : prefixes)
            found.push_back(prefix.address);
    };
    for (const LabHost &host : hosts) {
        if (host.name == node)
            for (const LabVtep &vtep : host.vteps)
                add(vtep.addresses);
        for (const LabContainer &container : host.containers)
            if (container.name == node)
                add(container.addresses);
    }
    return found;
}

std::vector<LabFlow> LabDescription::flows(const LabPair &pair) const
{
    std::vector<LabFlow> found;
    for (const Ip &address : pair.addresses.empty() ? overlay_addresses(pair.to) : pair.addresses)
        found.push_back({pair.from, pair.to, address});
    if (pair.both_ways)
        for (const Ip &address : overlay_addresses(pair.from))
            found.push_back({pair.to, pair.from, address});
    return found;
}

Result<LabDescription> parse_lab(std::string_view text, const std::string &source)
{
    LabDescription lab;
    TRY(read_json(text, "read lab", source,
                  [&](const JsonValue &value) { lab = read_lab(value); }));
    return lab;
}

} // namespace xvtep
