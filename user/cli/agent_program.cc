// SPDX-License-Identifier: GPL-2.0-only
// `xvtep agent`. The agent's libraries take longer to load than any other command takes to run.
#include "user/cli/commands.h"
#include "user/cli/exec_program.h"

namespace xvtep::cli {

Result<> run_agent(const Context &context, const Words &words)
{
    Words all{"agent"};
    all.insert(all.end(), words.begin(), words.end());
    return exec_program("xvtep-agent", context, all);
}

} // namespace xvtep::cli
