// SPDX-License-Identifier: GPL-2.0-only
// Local ports on the fast path: containers' veths and trunks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/vtep.h>

namespace xvtep {

struct PortRequest {
    std::string name;
    std::uint32_t vni = 0;
    std::optional<std::uint16_t> dstport; // where the VNI is attached on two ports
    std::optional<std::uint16_t> vlan;    // 1 .. 4094: a trunk; none: untagged frames
    Mode mode = Mode::automatic;
};

struct PortInfo {
    std::string name;
    std::uint32_t vni = 0;
    std::string vtep; // the VTEP's device
    std::optional<std::uint16_t> vlan;
    Mode mode = Mode::tc;
    std::string bridge;          // that serves what the fast path does not, or ""
    std::vector<Mac> addresses;  // learned behind it
};

Result<> add_port(const PortRequest &request);
Result<> delete_port(const std::string &name, std::optional<std::uint16_t> vlan);
Result<std::vector<PortInfo>> show_ports();

} // namespace xvtep
