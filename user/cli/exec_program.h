// SPDX-License-Identifier: GPL-2.0-only
// Commands that are programs of their own, installed beside `xvtep`.
#pragma once

#include <string>

#include "user/cli/cli.h"

namespace xvtep::cli {

// Replaces this process by the program `name` in the directory of the running one. The program is
// given the options of `context` and then `words`. Returns only where that fails.
Result<> exec_program(const std::string &name, const Context &context, const Words &words);

} // namespace xvtep::cli
