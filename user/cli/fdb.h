// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/cli.h"
#include "user/cli/words.h"
#include "xvtep/fdb.h"

namespace xvtep::cli {

// "MAC dev IFNAME dst IP [port N] [vni N] [via DEV] [router] [static|permanent|dynamic] [self]"
// `del` needs no dst.
Result<FdbEntry> parse_fdb_entry(const std::string &command, const Tail &tail,
                                 bool needs_dst = true);

} // namespace xvtep::cli
