// SPDX-License-Identifier: GPL-2.0-only
// Readers for the kinds of values that several objects of a description have.
#pragma once

#include <cstdint>
#include <string>

#include "user/lab/description.h"
#include "user/lab/json_reader.h"

namespace xvtep {

// The name of a lab or a node. It becomes part of a namespace's name.
std::string read_name(const JsonValue &value);
std::string read_ifname(const JsonValue &value);
unsigned read_mtu(const JsonValue &value);
std::uint16_t read_udp_port(const JsonValue &value);
std::uint32_t read_vni(const JsonValue &value);
std::uint16_t read_vlan(const JsonValue &value);
NeighState read_neigh_state(const JsonValue &value);

// "NODE:DEVICE", or "SWITCH" with an empty device.
LabWireEnd read_wire_end(const JsonValue &value);
// "NODE:DEVICE"
LabDevice read_device(const JsonValue &value);

} // namespace xvtep
