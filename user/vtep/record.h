// SPDX-License-Identifier: GPL-2.0-only
// The options of attach in the record that the BPF programs read.
#pragma once

#include <cstdint>

#include "bpf/abi/tables.h"
#include "xvtep/vtep.h"

namespace xvtep {

// Writes the options of a request whose open choices attach has made: `local` and `udpcsum` are
// set, and `ttl` is not 0.
void write_options(xv_vtep &vtep, const AttachRequest &request);

// Reads them back. What only the kernel's device knows stays at its default: name, devices, bridge,
// MAC, MTU, mode, udp6zerocsumtx.
void read_options(const xv_vtep &vtep, AttachRequest &request);

// Returns the TTL, or hop limit, of packets that this host makes.
std::uint8_t default_ttl(bool v6);

// Returns 0.0.0.0 or ::, which to the kernel's device is no address.
Ip no_address(bool v6);

} // namespace xvtep
