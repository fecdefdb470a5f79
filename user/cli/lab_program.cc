// SPDX-License-Identifier: GPL-2.0-only
// `xvtep lab`. Labs are no part of the product's program: user/lab/main.cc.
#include "user/cli/commands.h"
#include "user/cli/exec_program.h"

namespace xvtep::cli {

Result<> run_lab(const Context &context, const Words &words)
{
    return exec_program("xvtep-lab", context, words);
}

} // namespace xvtep::cli
