// SPDX-License-Identifier: GPL-2.0-only
// Counters of the fast path, of the calling thread's network namespace. What the kernel's vxlan
// device carries instead counts as passed here, and in the device's own counters. Errors, threads:
// result.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

// Why frames were not forwarded.
struct VerdictCount {
    const char *name; // as `xvtep stats` prints it; lives as long as the program
    std::uint64_t packets;
};

// The counters of a VTEP, or (vni empty) of an underlay or local port: what belongs to no VTEP.
// Since attach or port add; kept over reload. Every frame counts once: as rx (decapsulated and
// delivered), tx (encapsulated), passed on to the kernel, or dropped; of one passed on as "flooded"
// the copies count as tx too. A GSO packet counts as its segments.
struct Stats {
    std::string ifname;
    std::optional<std::uint32_t> vni;
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; // inner frames
    std::uint64_t events_lost = 0;           // misses that some listener had no room for
    std::vector<VerdictCount> drops, passed; // every reason, zeros too
};

// Of all VTEPs and ports, or of one device. The sum over all CPUs, read without a stop: counts of
// one moment may differ by frames under way. ENODEV: no device of that name, or nothing there.
Result<std::vector<Stats>> show_stats(const std::optional<std::string> &device);

} // namespace xvtep
