// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/names.h"

#include <algorithm>

#include "user/lab/values.h"

namespace xvtep {

namespace {

[[noreturn]] void refuse(const std::string &where, const std::string &why)
{
    throw JsonError{where, why};
}

} // namespace

LabNames::LabNames(const LabDescription &lab) : lab_(lab)
{
    for (const std::string &name : lab.switches)
        add_node(name, "switches");
    for (const LabHost &host : lab.hosts) {
        add_node(host.name, "hosts");
        for (const LabContainer &container : host.containers) {
            add_node(container.name, host.name);
            add_device({container.name, container.device});
            add_device({host.name, container.host_device});
        }
        for (const LabBridge &bridge : host.bridges)
            add_device({host.name, bridge.name});
    }
    for (const LabWire &wire : lab.wires)
        add_wire(wire);
    for (const LabHost &host : lab.hosts)
        check_host(host);
    check_directory();
}

void LabNames::add_node(const std::string &name, const std::string &where)
{
    if (!devices_.try_emplace(name).second)
        refuse(where, "\"" + name + "\" is there twice");
}

void LabNames::add_device(const LabDevice &device)
{
    if (device.device == "lo" || !devices_[device.node].insert(device.device).second)
        refuse(device.node, "device \"" + device.device + "\" is there twice");
}

void LabNames::add_wire(const LabWire &wire)
{
    for (const LabWireEnd &end : wire.ends) {
        if (end.device.empty()) {
            if (std::ranges::find(lab_.switches, end.node) == lab_.switches.end())
                refuse("wires", "no switch \"" + end.node + "\"");
        } else {
            if (!lab_.host(end.node))
                refuse("wires", "no host \"" + end.node + "\"");
            add_device({end.node, end.device});
        }
    }
}

void LabNames::check_host(const LabHost &host)
{
    std::set<std::string> made = devices_[host.name];
    made.insert("lo");
    const auto check = [&](const std::string &device, const std::string &where) {
        if (!made.contains(device))
            refuse(where, "no device \"" + device + "\"");
    };
    for (const auto &[device, prefixes] : host.addresses)
        check(device, host.name + ".addresses");
    for (const LabRoute &route : host.routes)
        if (!route.dev.empty())
            check(route.dev, host.name + ".routes");
    for (const LabContainer &container : host.containers) {
        const auto &bridges = host.bridges;
        if (!container.bridge.empty() &&
            std::ranges::find(bridges, container.bridge, &LabBridge::name) == bridges.end())
            refuse(container.name, "no bridge \"" + container.bridge + "\"");
        if (!container.trunk.empty())
            check(container.trunk, container.name);
    }
    for (const LabVtep &vtep : host.vteps) {
        for (const std::string &device : vtep.request.devices)
            check(device, host.name + ".vteps");
        for (const LabPort &port : vtep.ports)
            check(port.name, host.name + ".vteps");
        for (const LabRoute &route : vtep.routes)
            if (!route.dev.empty() && route.dev != vtep.request.name)
                check(route.dev, host.name + ".vteps");
        add_device({host.name, vtep.request.name});
    }
}

void LabNames::check_directory() const
{
    if (lab_.has_agents() != lab_.directory.has_value())
        refuse("directory", "\"directory\" and hosts' \"agent\" go together");
    if (!lab_.directory || lab_.directory->host.empty())
        return;
    const LabHost *const host = lab_.host(lab_.directory->host);
    if (!host)
        refuse("directory", "no host \"" + lab_.directory->host + "\"");
    for (const auto &[device, prefixes] : host->addresses)
        for (const Prefix &prefix : prefixes)
            if (prefix.address == lab_.directory->address)
                return;
    refuse("directory", "\"" + host->name + "\" has no address " + lab_.directory->address.text());
}

std::string LabNames::problem_of(const LabDevice &device) const
{
    const auto node = devices_.find(device.node);
    if (node == devices_.end())
        return "no host or container \"" + device.node + "\"";
    if (!node->second.contains(device.device))
        return "no device \"" + device.device + "\" in \"" + device.node + "\"";
    return "";
}

void LabNames::check_device(const JsonObject &json, const LabDevice &device) const
{
    if (const std::string problem = problem_of(device); !problem.empty())
        json.refuse(problem);
}

std::string LabNames::read_node(const JsonValue &value) const
{
    const std::string name = read_name(value);
    if (!devices_.contains(name))
        value.refuse("no host or container \"" + name + "\"");
    return name;
}

std::string LabNames::read_host(const JsonValue &value) const
{
    const std::string name = read_name(value);
    if (!lab_.host(name))
        value.refuse("no host \"" + name + "\"");
    return name;
}

LabDevice LabNames::read_known_device(const JsonValue &value) const
{
    const LabDevice device = read_device(value);
    if (const std::string problem = problem_of(device); !problem.empty())
        value.refuse(problem);
    return device;
}

LabDevice LabNames::read_vtep(const JsonValue &value) const
{
    const LabDevice device = read_device(value);
    if (!lab_.vtep(device))
        value.refuse("no VTEP \"" + device.text() + "\"");
    return device;
}

std::string LabNames::read_container(const JsonValue &value) const
{
    const std::string name = read_name(value);
    if (!lab_.container(name))
        value.refuse("no container \"" + name + "\"");
    if (lab_.overlay_addresses(name).empty())
        value.refuse("\"" + name + "\" has no overlay address");
    return name;
}

std::array<std::string, 2> LabNames::read_two_containers(const JsonValue &value) const
{
    const std::vector<std::string> both = list_of(container())(value);
    if (both.size() != 2 || both[0] == both[1])
        value.refuse("not a list of two containers");
    return {both[0], both[1]};
}

std::string LabNames::read_agent(const JsonValue &value) const
{
    const std::string name = read_name(value);
    const LabHost *const host = lab_.host(name);
    if (!host || !host->agent)
        value.refuse("no agent on \"" + name + "\"");
    return name;
}

LabPair LabNames::pair(JsonObject &json) const
{
    LabPair pair;
    json.need("from", pair.from, node());
    json.need("to", pair.to, node());
    json.take("addresses", pair.addresses);
    json.take("both_ways", pair.both_ways);
    if (pair.both_ways && !pair.addresses.empty())
        json.refuse("\"addresses\" go one way only: \"both_ways\" must be false");
    if (pair.addresses.empty() && lab_.overlay_addresses(pair.to).empty())
        json.refuse("\"" + pair.to + "\" has no overlay address");
    if (pair.both_ways && lab_.overlay_addresses(pair.from).empty())
        json.refuse("\"" + pair.from + "\" has no overlay address");
    return pair;
}

LabMac LabNames::mac(JsonObject &json, const std::string &key) const
{
    LabMac mac;
    std::optional<Mac> literal;
    json.take(key, literal);
    json.take(key + "_of", mac.device, device());
    if (literal.has_value() == mac.device.has_value())
        json.refuse("needs either \"" + key + "\" or \"" + key + "_of\"");
    mac.mac = literal.value_or(Mac{});
    return mac;
}

} // namespace xvtep
