// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

struct VerdictCount {
    const char *name; // as in xvtep/verdicts.h
    std::uint64_t packets;
};

// The counters of a VTEP, or (vni empty) of an underlay or local port: what belongs to no VTEP.
struct Stats {
    std::string ifname;
    std::optional<std::uint32_t> vni;
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
    std::uint64_t events_lost = 0;
    std::vector<VerdictCount> drops, passed; // every reason, zeros too
};

Result<std::vector<Stats>> show_stats(const std::optional<std::string> &device);

} // namespace xvtep
