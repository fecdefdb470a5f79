// SPDX-License-Identifier: GPL-2.0-only
// The results as pictures, by gnuplot.
#pragma once

#include <string>

#include "bench/harness.h"

namespace xvtep::bench {

// Whether they can be drawn; makes the directory. To be asked before anything is measured.
Result<> prepare_plots(const std::string &directory);

// ratios.svg, and cores.svg, entries.svg, vnis.svg, flood.svg where those were measured.
Result<> draw_plots(const Harness &harness, const std::string &directory);

} // namespace xvtep::bench
