// SPDX-License-Identifier: GPL-2.0-only
// Local ports on the fast path, in the calling thread's network namespace: the host's ends of
// containers' veths, and trunks. Frames of these ports skip the bridge.
//
// Errors, threads, processes: result.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/vtep.h>

namespace xvtep {

struct PortRequest {
    std::string name;                     // an Ethernet device
    std::uint32_t vni = 0;                // 1 .. vni_max, of an attached VTEP
    std::optional<std::uint16_t> dstport; // UDP port of the VTEP; needed if the VNI is attached on
                                          // two
    std::optional<std::uint16_t> vlan;    // 1 .. 4094: this VLAN of a trunk; none: untagged frames
    Mode mode = Mode::automatic;          // the same for all VLANs of a trunk
};

struct PortInfo {
    std::string name;
    std::uint32_t vni = 0;
    std::string vtep; // the VTEP's device
    std::optional<std::uint16_t> vlan;
    Mode mode = Mode::tc;
    std::string bridge;         // serves what the fast path does not; "": none
    std::vector<Mac> addresses; // learned behind the port, sorted
    std::vector<Problem> problems{};
};

// Adds a port, or a VLAN of a trunk, to a VNI. On an error nothing has changed.
//
// Errors: ErrorKind::usage: the VNI or the VLAN is out of range. ENOENT: the VNI is not attached.
// ENOTUNIQ: the VNI is attached on several UDP ports. EEXIST: the port or its VLAN has a VNI.
// EBUSY: the port has another mode, or is an underlay port or a VTEP's device. EINVAL: the device
// is no Ethernet device, or it is a bridge or a VRF.
Result<> add_port(const PortRequest &request);

// Removes one VLAN of a trunk or, without `vlan`, the whole port, and the MACs learned behind it.
//
// Errors: ENOENT: the device is not a port, or the VLAN has no VNI.
Result<> delete_port(const std::string &name, std::optional<std::uint16_t> vlan);

// Returns one PortInfo for each port and VLAN, in the order of interface indexes.
Result<std::vector<PortInfo>> show_ports(Problems problems = Problems::left_out);

} // namespace xvtep
