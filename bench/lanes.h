// SPDX-License-Identifier: GPL-2.0-only
// Several wires into one host, each with a generator at its far end and a container of its own.
#pragma once

#include <vector>

#include "bench/line.h"

namespace xvtep::bench {

// One tunnel end for all of them, frames inwards. Not for ovs.
Result<std::vector<Line>> build_lanes(World &world, System system, unsigned count);

// A contender: frames on the first `count` lanes at once, each sent and received on a core of its
// own, counted together while all of them run.
Result<Contender> rate_together(const Harness &harness, const std::vector<Line> &lanes,
                                unsigned count);

} // namespace xvtep::bench
