// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/grammar.h"
#include "xvtep/neigh.h"

namespace xvtep::cli {

// `neigh add`, change, replace, del and get; del and get need no MAC.
Result<NeighEntry> parse_neigh_entry(const Arguments &arguments);

} // namespace xvtep::cli
