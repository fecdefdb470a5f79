// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/commands.h"
#include "user/cli/help.h"

namespace xvtep::cli {

Result<> run_completion(const Context &context, const Arguments &arguments)
{
    const std::string &shell = arguments.plain.front();
    if (shell == "bash")
        context.print(bash_completion());
    else if (shell == "zsh")
        context.print(zsh_completion());
    else if (shell == "fish")
        context.print(fish_completion());
    else
        return usage_failure("completion", shell, "not a shell that is known (bash, zsh or fish)");
    return {};
}

} // namespace xvtep::cli
