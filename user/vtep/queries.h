// SPDX-License-Identifier: GPL-2.0-only
// Queries on the tables of a session, which may be those of an adopting service.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/vtep/session.h"
#include "xvtep/fdb.h"
#include "xvtep/stats.h"

namespace xvtep {

Result<std::vector<FdbEntry>> show_fdb(Session &session, const std::optional<std::string> &device);
Result<std::vector<Stats>> show_stats(Session &session, const std::optional<std::string> &device);

} // namespace xvtep
