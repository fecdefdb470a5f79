// SPDX-License-Identifier: GPL-2.0-only
// What a lab consists of. A description is read from JSON; docs/labs.md lists the keys.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/neigh.h"
#include "xvtep/vtep.h"

namespace xvtep {

class JsonValue; // json_reader.h
class LabCheck;  // check.h

struct LabRoute {
    Prefix to;
    std::optional<Ip> via;
    std::string dev; // "": the route to `via` decides
};

// A local port: the host's end of a container's veth, or with a VLAN a trunk.
struct LabPort {
    std::string name;
    std::optional<std::uint16_t> vlan;

    bool operator==(const LabPort &) const = default;
};

struct LabFdbEntry {
    Mac mac; // all zeros: a default entry
    Ip dst;
};

struct LabNeighbour {
    Ip ip;
    Mac mac;
    NeighState state = NeighState::permanent;
};

struct LabVtep {
    AttachRequest request; // `name` is never empty
    std::vector<Prefix> addresses;
    std::vector<LabRoute> routes; // added after `addresses`
    std::vector<LabPort> ports;
    std::vector<LabFdbEntry> fdb;
    std::vector<LabNeighbour> neighbours;
};

struct LabBridge {
    std::string name;
    std::optional<Mac> mac;
    std::optional<unsigned> mtu;
};

// A namespace with one veth, whose other end is in its host.
struct LabContainer {
    std::string name;
    std::string device = "eth0";
    std::string host_device;
    std::string bridge; // of the host, which `host_device` joins; or ""
    std::string trunk;  // the host's device on which the container's frames carry `vlan`; or ""
    std::uint16_t vlan = 0;
    std::optional<unsigned> mtu;
    std::optional<Mac> mac;
    std::vector<Prefix> addresses;
    std::vector<Ip> gateways; // default routes
};

// Where the agents look misses up.
struct LabDirectory {
    std::string host; // runs etcd; "": the directory is a file
    Ip address;       // of etcd, one of the host's
    std::uint16_t port = 2379;
};

struct LabHost {
    std::string name;
    std::vector<LabBridge> bridges;
    std::vector<LabContainer> containers;
    std::map<std::string, std::vector<Prefix>> addresses; // by device
    std::vector<LabRoute> routes;                         // added before the VTEPs
    std::vector<std::pair<std::string, std::string>> sysctls;
    std::vector<LabVtep> vteps;
    bool agent = false; // an agent runs there, and its containers announce themselves
};

// A host's device, or a switch (`device` is "").
struct LabWireEnd {
    std::string node;
    std::string device;
};

struct LabWire {
    std::array<LabWireEnd, 2> ends;
    std::optional<unsigned> mtu;
};

struct LabDevice {
    std::string node;
    std::string device;

    [[nodiscard]] std::string text() const { return node + " " + device; }
};

// A MAC, or the one that a device has.
struct LabMac {
    Mac mac;
    std::optional<LabDevice> device;

    [[nodiscard]] std::string text() const
    {
        return device ? "the MAC of " + device->text() : mac.text();
    }
};

// Two nodes that send to each other.
struct LabPair {
    std::string from, to;
    std::vector<Ip> addresses; // of `to`; empty: all its overlay addresses
    bool both_ways = true;
};

// One direction of a LabPair, to one address.
struct LabFlow {
    std::string from, to;
    Ip address; // of `to`
};

struct LabDescription {
    std::string name;
    std::string summary;
    std::vector<std::string> switches;
    std::vector<LabHost> hosts;
    std::vector<LabWire> wires;
    std::optional<LabDirectory> directory;
    std::vector<std::shared_ptr<LabCheck>> checks;

    // Hosts, containers and switches.
    [[nodiscard]] std::vector<std::string> nodes() const;
    [[nodiscard]] const LabHost *host(std::string_view name) const;
    [[nodiscard]] const LabContainer *container(std::string_view name) const;
    [[nodiscard]] const LabHost *host_of(std::string_view container) const;
    [[nodiscard]] const LabVtep *vtep(const LabDevice &device) const;
    [[nodiscard]] bool has_agents() const;
    // The VTEPs of the hosts with an agent.
    [[nodiscard]] std::vector<std::pair<const LabHost *, const LabVtep *>> agent_vteps() const;
    // A container's addresses, or those of a host's VTEPs.
    [[nodiscard]] std::vector<Ip> overlay_addresses(std::string_view node) const;
    [[nodiscard]] std::vector<LabFlow> flows(const LabPair &pair) const;
};

// `source` names the text in errors. Errors: usage, whatever is wrong with the description.
Result<LabDescription> parse_lab(std::string_view text, const std::string &source);
// Throws JsonError.
LabDescription read_lab(const JsonValue &value);

} // namespace xvtep
