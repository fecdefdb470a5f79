// SPDX-License-Identifier: GPL-2.0-only
// A lab's checks, run.
#pragma once

#include <vector>

#include "user/lab/build.h"
#include "user/lab/lab.h"
#include "user/lab/state.h"

namespace xvtep {

// A check that cannot be run has failed, with the error as its detail.
std::vector<LabCheck> run_checks(const LabState &state, LabNodes &nodes);

} // namespace xvtep
