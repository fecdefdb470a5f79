// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/words.h"
#include "xvtep/neigh.h"

namespace xvtep::cli {

// `IP [lladdr MAC] dev IFNAME [nud STATE]`; without `needs_mac` the MAC may be missing.
Result<NeighEntry> parse_neigh_entry(const std::string &command, const Tail &tail,
                                     bool needs_mac = true);

} // namespace xvtep::cli
