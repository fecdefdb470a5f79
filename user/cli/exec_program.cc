// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/exec_program.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "user/base/debug_log.h"

namespace xvtep::cli {
namespace {

Words options_of(const Context &context)
{
    Words options;
    if (context.netns)
        options.insert(options.end(), {"-n", *context.netns});
    if (context.json)
        options.emplace_back("-j");
    if (context.pretty)
        options.emplace_back("-p");
    if (debug_log_is_on())
        options.emplace_back("-v");
    return options;
}

} // namespace

Result<> exec_program(const std::string &name, const Context &context, const Words &words)
{
    std::error_code error;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return errno_failure("run " + name, "/proc/self/exe", error.value());
    const std::string path = own.parent_path() / name;
    Words all = options_of(context);
    all.insert(all.begin(), name);
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char *> arguments;
    for (auto &word : all)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    std::fflush(context.out);
    ::execv(path.c_str(), arguments.data());
    return errno_failure("run", path, errno);
}

} // namespace xvtep::cli
