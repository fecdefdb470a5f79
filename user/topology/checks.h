// SPDX-License-Identifier: GPL-2.0-only
// A lab's checks, run.
#pragma once

#include <vector>

#include "user/topology/build.h"
#include "user/topology/lab.h"
#include "user/topology/state.h"

namespace xvtep {

// A check that cannot be run has failed, with the error as its detail.
std::vector<LabCheck> run_checks(const LabState &state, LabNodes &nodes);

} // namespace xvtep
