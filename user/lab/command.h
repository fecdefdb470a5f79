// SPDX-License-Identifier: GPL-2.0-only
// The command line of xvtep-lab.
#pragma once

#include <cstdio>
#include <span>

namespace xvtep {

// The whole program. Returns the exit status.
int run_lab(std::span<const char *const> arguments, std::FILE *out, std::FILE *err);

} // namespace xvtep
