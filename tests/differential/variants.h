// SPDX-License-Identifier: GPL-2.0-only
// The configurations of the two twins.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace xvtep::differential {

// How containers reach the VTEPs.
enum class Layout {
    bridge, // c0 and c1 are ports of the bridge of VNI 42, c2 of that of VNI 43
    ports,  // the same, and local ports of the fast path in xvtep's twin
    trunk,  // no bridge in xvtep's twin: c0 and c2 are members, and `trunk` has VLANs 100 and 200
    many,   // as trunk, with one device for both VNIs
    host,   // VNI 42 has no bridge: its device itself sends and receives
};

struct Variant {
    std::string name;
    Layout layout = Layout::bridge;
    std::string mode = "tc";      // of the underlay port
    std::string port_mode = "tc"; // of local ports
    std::string options{};        // of the devices, in the kernel's words
    bool v6 = false;              // the underlay's family
    unsigned mtu = 1500;
    unsigned path_mtu = 0; // of the underlay port, after the devices were made; 0: as `mtu`
    bool proxy = false, gbp = false, udpcsum = false, learning = true, several = false;
    bool group = false;  // the default destination is a multicast group
    bool gro = false;    // GRO on, and trains of packets that it merges
    bool misses = false; // l2miss and l3miss: misses are compared
    bool has_default = true;
    unsigned share = 10; // of the frames of a run over all variants
};

std::span<const Variant> variants();
const Variant *find_variant(const std::string &name);

} // namespace xvtep::differential
