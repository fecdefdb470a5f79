// SPDX-License-Identifier: GPL-2.0-only
// What a lab consists of, as read from its JSON.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/neigh.h"
#include "xvtep/vtep.h"

namespace xvtep {

struct LabRoute {
    Prefix to;
    std::optional<Ip> via;
    std::string dev; // "": the route to `via` decides
};

// The host's end of a container's veth, or with a VLAN a trunk, put on the fast path.
struct LabPort {
    std::string name;
    std::optional<std::uint16_t> vlan;

    bool operator==(const LabPort &) const = default;
};

// Of a VTEP's table, made with it.
struct LabFdbEntry {
    Mac mac; // all zeros: a default
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
    std::vector<LabRoute> routes; // added once the device has its addresses
    std::vector<LabPort> ports;
    std::vector<LabFdbEntry> fdb;
    std::vector<LabNeighbour> neighbours;
};

struct LabBridge {
    std::string name;
    std::optional<Mac> mac;
    std::optional<unsigned> mtu;
};

// A namespace with one veth into its host, or into a bridge of its host.
struct LabContainer {
    std::string name;
    std::string device = "eth0";
    std::string host_device;
    std::string bridge; // "": the host's end stands for itself
    std::string trunk;  // the host's device on which its frames carry `vlan`, or ""
    std::uint16_t vlan = 0;
    std::optional<unsigned> mtu;
    std::optional<Mac> mac;
    std::vector<Prefix> addresses;
    std::vector<Ip> gateways; // default routes
};

// Where the agents look misses up.
struct LabDirectory {
    std::string host; // that runs etcd; "": a file of the lab's
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
    bool agent = false; // an agent runs there; the containers say who they are as they come up
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

// `addresses` empty: all overlay addresses of `to`, a container's or those of a host's VTEPs.
struct LabPair {
    std::string from, to;
    std::vector<Ip> addresses;
    bool both_ways = true;
};

struct PingCheck {
    LabPair pair;
    unsigned count = 3;
    unsigned size = 56;          // payload octets
    std::optional<unsigned> ttl; // with which the requests arrive
};

struct TcpCheck {
    LabPair pair;
    std::size_t bytes = 4u << 20;
};

struct MtuCheck {
    LabDevice device;
    std::optional<unsigned> mtu;
    std::string below; // an underlay port of the same host, by the encapsulation's 50 or 70
};

struct RouteCheck {
    std::string node;
    LabRoute route;
};

struct FdbCheck {
    LabDevice device;
    std::optional<Mac> mac;
    std::optional<LabDevice> mac_of; // instead of `mac`
    Ip dst;
    std::string via;
    bool learned = false; // else permanent
};

// What an underlay port sends while `from` pings `to`; devices stand for their MACs.
struct CaptureCheck {
    LabDevice device;
    std::string from;
    Ip to;
    bool absent = false; // nothing of it passes there
    std::optional<std::uint32_t> vni;
    std::optional<std::uint16_t> dstport;
    std::optional<bool> df; // of the outer header
    std::optional<LabDevice> inner_source, inner_destination, outer_source, outer_destination;
};

// Detaching the VTEPs of a host's bridge, and attaching them again, changes nothing else of it.
struct BridgeCheck {
    std::string host;
    std::string bridge;
};

// A VTEP's own programs have carried frames both ways: its device alone would carry them too. Not
// asked of the kernel's VTEPs.
struct CountedCheck {
    LabDevice device;
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

// The underlay port is in the group while the VTEPs on it are attached, and only then.
struct GroupCheck {
    LabDevice device;
    Ip group;
};

// One frame of no protocol's, sent from `from`: where it comes out, and how often.
struct FrameCheck {
    LabDevice from;
    LabMac to;
    std::optional<std::uint16_t> vlan; // it is sent with this tag
    std::optional<LabDevice> wire;     // an underlay port that it leaves by, encapsulated,
    std::vector<Ip> vteps;             // once to each of these and to no other
    std::vector<LabDevice> reaches;    // once each; no other container, nor a VTEP's own device
    std::optional<LabDevice> tagged;   // a trunk that it comes in by, with the tag
    std::uint16_t tag = 0;
    std::optional<LabDevice> counted; // its counter of `reason` goes up
    std::string reason;
};

// An ARP request from `from` is answered with the MAC of `answer`.
struct ArpCheck {
    LabDevice from;
    Ip to;
    LabDevice answer;
    LabDevice wire;        // an underlay port of the same host
    std::vector<Ip> vteps; // the request leaves there once to each; none: it stays
};

// How a VTEP is set to age.
struct AgeingCheck {
    LabDevice device;
    std::optional<std::uint32_t> ageing, hard_ageing;
};

struct NothingLearnedCheck {
    LabDevice device;
};

// An entry goes by itself.
struct FdbExpiresCheck {
    LabDevice device;
    LabMac mac;
    unsigned within = 0; // seconds
};
struct NeighExpiresCheck { // not asked of the kernel's VTEPs: they keep them, stale
    LabDevice device;
    Ip ip;
    unsigned within = 0;
};

// Steps between checks: what a person would do by hand.
struct FdbAddStep {
    LabDevice device;
    LabMac mac;
    Ip dst;
};
struct NeighReplaceStep {
    LabDevice device;
    Ip ip;
    LabMac mac;
    NeighState state = NeighState::permanent;
};
struct FdbFlushStep {
    LabDevice device;
};
struct NeighFlushStep { // of a VTEP, or of any device
    LabDevice device;
};

// A ping raises a miss. Not asked of the kernel's VTEPs.
struct MissCheck {
    LabDevice device;
    std::string from;
    Ip to;
    std::optional<Ip> ip; // of an L3 miss
    LabMac mac;           // of an L2 miss, where `ip` is not there
};

struct NoPingCheck {
    std::string from;
    Ip to;
};

// Of labs with agents. The VTEPs' tables are empty. Where the lab was tested before, they are
// emptied and the agents started anew.
struct NothingPreloadedCheck {};

// The first ping of two containers has its reply, and how it came to that.
struct FirstPingCheck {
    std::string from, to;
    unsigned within = 0; // milliseconds
};

// Each VTEP has entries for those that its host's containers talk to, and for no other.
struct OnlyTalkersCheck {
    std::vector<std::array<std::string, 2>> pairs; // of containers
};

// From the first check to here, no ARP request or neighbour solicitation was in the tunnels.
struct NoRequestsCheck {
    std::string node; // a switch
};

// A container moves to another host, and back; `from`, which talks to it, follows.
struct MoveCheck {
    std::string container, to, from;
    unsigned within = 0; // milliseconds
};

// A host's agent, or the directory, is killed and started again. `steady`, which talks all the
// time, loses nothing; then `fresh`, which never did, talks.
struct OutageCheck {
    std::string host; // of the agent; "": the directory
    std::array<std::string, 2> steady, fresh;
    unsigned within = 0; // milliseconds from its return
};

using LabCheckDescription =
    std::variant<PingCheck, TcpCheck, MtuCheck, RouteCheck, FdbCheck, CaptureCheck, BridgeCheck,
                 CountedCheck, GroupCheck, FrameCheck, ArpCheck, AgeingCheck, NothingLearnedCheck,
                 FdbExpiresCheck, NeighExpiresCheck, FdbAddStep, NeighReplaceStep, FdbFlushStep,
                 NeighFlushStep, MissCheck, NoPingCheck, NothingPreloadedCheck, FirstPingCheck,
                 OnlyTalkersCheck, NoRequestsCheck, MoveCheck, OutageCheck>;

struct LabDescription {
    std::string name;
    std::string summary;
    std::vector<std::string> switches;
    std::vector<LabHost> hosts;
    std::vector<LabWire> wires;
    std::optional<LabDirectory> directory;
    std::vector<LabCheckDescription> checks;

    // Hosts, containers and switches.
    [[nodiscard]] std::vector<std::string> nodes() const;
    [[nodiscard]] const LabHost *host(std::string_view name) const;
    [[nodiscard]] const LabContainer *container(std::string_view name) const;
    [[nodiscard]] const LabHost *host_of(std::string_view container) const;
    [[nodiscard]] bool has_agents() const;
    // A container's addresses, or those of a host's VTEPs.
    [[nodiscard]] std::vector<Ip> overlay_addresses(std::string_view node) const;
};

// `source` names the text in errors. All that is wrong with a description is a usage error.
Result<LabDescription> parse_lab(std::string_view text, const std::string &source);

// The JSON of a built-in lab, or of a file.
Result<std::string> find_lab(const std::string &name_or_file);

} // namespace xvtep
