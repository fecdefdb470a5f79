// SPDX-License-Identifier: GPL-2.0-only
// Counters of the fast path, in the calling thread's network namespace. Frames that the kernel's
// vxlan device carries instead count as passed here, and in that device's own counters.
//
// Errors, threads, processes: result.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

// How many frames the programs did not forward, for one reason.
struct VerdictCount {
    const char *name; // as `xvtep stats` prints it; valid as long as the program runs
    std::uint64_t packets;
};

// The counters of a VTEP or, if `vni` is empty, of an underlay or local port. A port counts what
// belongs to no VTEP. Counting starts at attach or port add and goes on over reload. Every frame
// counts once: as rx (decapsulated and delivered), tx (encapsulated), passed to the kernel, or
// dropped. The copies of a frame that was passed as "flooded" count as tx too. A GSO packet counts
// as its segments.
struct Stats {
    std::string ifname;
    std::optional<std::uint32_t> vni;
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; // inner frames
    std::uint64_t events_lost = 0;           // misses for which a listener had no room
    std::uint64_t not_learned = 0;           // frames whose source MAC found no room in the FDB
    std::vector<VerdictCount> drops, passed; // every reason, zeros too
};

// Returns the counters of one device, or of all VTEPs and ports, summed over all CPUs. The programs
// go on counting meanwhile, so counters may differ by the frames under way.
//
// Errors: ENODEV: there is no such device, or xvtep has nothing there.
Result<std::vector<Stats>> show_stats(const std::optional<std::string> &device);

} // namespace xvtep
