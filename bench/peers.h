// SPDX-License-Identifier: GPL-2.0-only
// The systems that are compared, each between a host's underlay port and its container.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/frame.h"
#include "bench/world.h"
#include "user/base/result.h"

struct bare_bpf;
struct external_bpf;

namespace xvtep::bench {

class Ovs;

enum class System {
    xvtep,
    before,          // an earlier build of xvtep (--before), in the cases of --scale
    kernel,          // vxlan device and bridge, static entries
    kernel_external, // collect-metadata vxlan device and TC programs
    no_tunnel,       // the container's bridge on the wire itself
    wire,            // nothing but the port: the limit
    bare,            // bare.h: what programs cost that do the least
    ovs,             // Open vSwitch, its datapath in user space (ovs.h)
};
const char *name_of(System system);
std::vector<System> all_systems();   // that forward packets
std::vector<System> named_systems(); // these and `before`, as tables order them

// A host with its wire's end "u", up and addressed; the other end is "w" in the same namespace.
Result<std::string> bare_host(World &world, const std::string &name);

struct EndWords {
    std::string underlay = "u"; // the host's port
    std::string port = "v";     // the host's end of the container's "eth0"
    std::vector<std::string> more_underlays{};
    bool routed = false; // the route alone decides by which of them frames leave
    std::string local = here, remote = there;
    std::string container = container_here, other_container = container_there;
    Mac mac{{2, 0, 0, 0, 0, 2}}, other_mac = mac_there; // the containers'
    Mac next_hop{};                                     // the other end of the wire
    std::string mode = "xdp";                           // xvtep's, of the underlay port
    std::string port_mode{}; // xvtep's, of the container's; empty: its own choice
    unsigned mtu = 1500;     // of the container
    bool polled = true;      // ovs: by a thread with a core for itself
    bool flood = false;      // the other container's MAC is not told: its frames are flooded
};

// One end of a tunnel; its VTEP's device is "vxlan0". What the containers and hosts need to know of
// each other is static.
struct End {
    System system = System::wire;
    std::string host, container;
    EndWords words;
    std::shared_ptr<external_bpf> external{}; // of kernel_external
    std::shared_ptr<bare_bpf> bare{};         // of bare
    std::shared_ptr<Ovs> ovs{};               // of ovs
};

// `host` is there already, with its underlay ports up.
Result<End> build_end(World &world, System system, const std::string &host, const EndWords &words);

// The same end (but not of ovs) with another container, whose port, addresses and MAC `words` has;
// its frames come by the underlay port that is named there.
Result<End> add_container(World &world, const End &end, const EndWords &words);

// An end, and a bare namespace at the other end of its wire, where "w" is.
struct Station {
    End end;
    std::string far;
};
Result<Station> build_station(World &world, System system, const EndWords &words = {});

// Two ends of one system. With `mtu_wire` the wire carries packets of its MTU, else GSO packets.
struct Pair {
    End ends[2];
};
Result<Pair> build_pair(World &world, System system, bool mtu_wire);

// Of kernel_external: entries for MACs `first` with the last three bytes from .. to-1.
Result<> add_external_entries(const End &end, const Mac &first, unsigned from, unsigned to);

// "", or why the system cannot be had here.
std::string missing(System system);

} // namespace xvtep::bench
