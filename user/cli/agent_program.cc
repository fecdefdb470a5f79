// SPDX-License-Identifier: GPL-2.0-only
// In `xvtep`: its agent is a program of its own beside it, as the libraries for a directory take
// longer to load than any other command runs.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>

#include "user/cli/commands.h"

namespace xvtep::cli {

Result<> run_agent(const Context &context, const Words &words)
{
    std::error_code error;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return errno_failure("agent", "/proc/self/exe", error.value());
    const std::string program = own.parent_path() / "xvtep-agent";
    Words all{"xvtep"};
    if (context.netns)
        all.insert(all.end(), {"-n", *context.netns});
    if (spdlog::get_level() == spdlog::level::debug)
        all.emplace_back("-v");
    all.emplace_back("agent");
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char *> arguments;
    for (auto &word : all)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::fflush(context.out);
    ::execv(program.c_str(), arguments.data());
    return errno_failure("agent", program, errno);
}

} // namespace xvtep::cli
