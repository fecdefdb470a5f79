// SPDX-License-Identifier: GPL-2.0-only
// The checks of labs with agents. What each returns is the detail of a pass, or why not.
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/lab/build.h"
#include "user/lab/description.h"
#include "user/lab/state.h"

namespace xvtep {

Result<std::string> check_nothing_preloaded(const LabState &state, LabNodes &nodes);
// The detail tells in lines of its own what happened when.
Result<std::string> check_first_ping(const LabState &state, LabNodes &nodes,
                                     const FirstPingCheck &check);
Result<std::string> check_only_talkers(const LabState &state, LabNodes &nodes,
                                       const OnlyTalkersCheck &check);
Result<std::string> check_move(const LabState &state, LabNodes &nodes, const MoveCheck &check);
Result<std::string> check_outage(const LabState &state, LabNodes &nodes, const OutageCheck &check);

} // namespace xvtep
