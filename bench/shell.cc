// SPDX-License-Identifier: GPL-2.0-only
#include "bench/shell.h"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include <fmt/format.h>

namespace xvtep::bench {

Result<std::string> sh(const std::string &command, int seconds)
{
    std::string quoted;
    for (const char c : command)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    const std::string whole =
        fmt::format("timeout -k 1 {} sh -c '{}' 2>&1 </dev/null", seconds, quoted);
    std::FILE *pipe = ::popen(whole.c_str(), "r");
    if (pipe == nullptr)
        return errno_failure("run", command, errno);
    std::string text;
    std::array<char, 4096> chunk{};
    while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe))
        text.append(chunk.data(), size);
    const int status = ::pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        std::ranges::replace(text, '\n', ' ');
        return system_failure("run", command.substr(0, 200), text.empty() ? "failed" : text);
    }
    return text;
}

Result<std::string> sh_in(const std::string &netns, const std::string &command, int seconds)
{
    return sh(fmt::format("ip netns exec {} {}", netns, command), seconds);
}

Result<> ip(const std::string &netns, const std::string &words)
{
    TRY(sh(fmt::format("ip -n {} {}", netns, words)));
    return {};
}

Result<> ip_batch(const std::string &netns, const std::string &lines)
{
    TRY(sh(fmt::format("printf '%s\\n' '{}' | ip -n {} -batch -", lines, netns)));
    return {};
}

} // namespace xvtep::bench
