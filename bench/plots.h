// SPDX-License-Identifier: GPL-2.0-only
// Draws the results as pictures (SVG), with gnuplot.
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep::bench {

// Makes the directory. Ask this before measuring.
// Errors: gnuplot is not installed, or the directory cannot be made.
Result<> prepare_plots(const std::string &directory);

// `results`: the JSON of report.h. Draws what it has figures for: ratios.svg (one chart for a
// reader), cores.svg, entries.svg, vnis.svg, flood.svg; of --scale scale-vteps.svg,
// scale-memory.svg, scale-namespaces.svg, scale-vnis.svg, scale-fill.svg. Errors: the text is not
// the JSON of report.h, or gnuplot failed.
Result<> draw_plots(const std::string &results, const std::string &directory);

} // namespace xvtep::bench
