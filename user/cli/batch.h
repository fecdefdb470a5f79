// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdio>
#include <istream>
#include <optional>

#include "user/cli/cli.h"

namespace xvtep::cli {

// The words of the next line that has some, as iproute2 reads it: '#' starts a comment, quotes hold
// blanks, a backslash at the end goes on with the next line. None: the end. `line` counts lines.
// `first`: the first line, where it has been read already.
Result<std::optional<Words>> read_batch_line(std::istream &in, unsigned &line,
                                             std::optional<std::string> first = std::nullopt);

// Runs the lines of `file` ("-": standard input). Stops at the first that fails, unless `force`;
// the exit status, the worst of the lines'. What failed is said on `err`.
int run_batch(const Context &context, const std::string &file, bool force, std::FILE *err);

} // namespace xvtep::cli
