// SPDX-License-Identifier: GPL-2.0-only
// Misses raised by frames sent to a VTEP's device, and heard: by callback, or over netlink.
#pragma once

#include <string>
#include <vector>

#include "bench/peers.h"

namespace xvtep::bench {

// A VTEP `vxlan0` in `host` that raises l2miss.
Result<> build_missing(const World &world, System system, const std::string &host);

// From sending a frame to the callback (netlink: the message read), in microseconds, sorted.
Result<std::vector<double>> miss_times(System system, const std::string &host, unsigned count,
                                       int core);

struct MissCount {
    double rate = 0; // frames sent a second, as it came out
    unsigned sent = 0, heard = 0;
};
// Sends frames to as many MACs for a while, at a pace.
Result<MissCount> misses_at(System system, const std::string &host, double rate, double seconds,
                            int core, int listener_core);

} // namespace xvtep::bench
