// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdio>
#include <istream>
#include <optional>

#include "user/cli/cli.h"

namespace xvtep::cli {

// Reads the words of the next line that is not empty, as iproute2 does: '#' starts a comment,
// quotes hold blanks, and a backslash at the end joins the next line. Returns nullopt at the end.
// `line` counts lines. `first` is the first line if the caller has read it already.
Result<std::optional<Words>> read_batch_line(std::istream &in, unsigned &line,
                                             std::optional<std::string> first = std::nullopt);

// Runs the lines of `file`, or of standard input if it is "-". Stops at the first line that fails,
// unless `force`. Prints errors on `err` and returns the worst exit status of the lines.
int run_batch(const Context &context, const std::string &file, bool force, std::FILE *err);

} // namespace xvtep::cli
