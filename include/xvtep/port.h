// SPDX-License-Identifier: GPL-2.0-only
// Local ports on the fast path: the host's ends of containers' veths, and trunks. Frames of theirs
// skip the bridge. Of the calling thread's network namespace; errors, threads: result.h.
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
    std::optional<std::uint16_t> dstport; // UDP; where the VNI is attached on two
    std::optional<std::uint16_t> vlan;    // 1 .. 4094: a trunk; none: untagged frames
    Mode mode = Mode::automatic;          // the same for all VLANs of a trunk
};

struct PortInfo {
    std::string name;
    std::uint32_t vni = 0;
    std::string vtep; // the VTEP's device
    std::optional<std::uint16_t> vlan;
    Mode mode = Mode::tc;
    std::string bridge;         // that serves what the fast path does not, or ""
    std::vector<Mac> addresses; // learned behind it, in order
    std::vector<Problem> problems{};
};

// All or nothing. ErrorKind::usage: a VNI or VLAN out of range; ENOENT: the VNI is not attached;
// ENOTUNIQ: on several UDP ports; EEXIST: the port, or its VLAN, has a VNI already; EBUSY: it has
// another mode, or is an underlay port or a VTEP's device; EINVAL: not an Ethernet device, or a
// bridge.
Result<> add_port(const PortRequest &request);

// One VLAN of a trunk, or (none) the whole port; what was learned behind it goes too. ENOENT.
Result<> delete_port(const std::string &name, std::optional<std::uint16_t> vlan);

// One for each port and VLAN, in the order of the interface indexes. `problems`: as with
// list_vteps().
Result<std::vector<PortInfo>> show_ports(bool problems = false);

} // namespace xvtep
