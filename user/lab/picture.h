// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/lab/state.h"

namespace xvtep {

// Draws a lab in box-drawing characters: hosts side by side with containers in them, wires below.
std::string draw_lab(const LabState &state);

} // namespace xvtep
