// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "xvtep/vtep.h"

namespace xvtep {

// Returns what is wrong on any system with the options of a request, or "". It looks neither at the
// underlay ports nor at the VNIs nor at names.
std::string wrong_options(const AttachRequest &request);

} // namespace xvtep
