// SPDX-License-Identifier: GPL-2.0-only
// The agent's log, on standard error through spdlog. log.cc alone includes spdlog: each file that
// does so takes seconds longer to compile.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace spdlog::level {
enum level_enum : int;
}

namespace xvtep::agent {

enum class LogFormat {
    text, // plain lines
    json, // a JSON object on each line, with the members time, level and message
};
void set_up_log(spdlog::level::level_enum level, LogFormat format);

enum class LogLevel { debug, info, warning, error };
void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments);

template <class... Args> void log_debug(fmt::format_string<Args...> format, Args &&...args)
{
    log_formatted(LogLevel::debug, format, fmt::make_format_args(args...));
}
template <class... Args> void log_info(fmt::format_string<Args...> format, Args &&...args)
{
    log_formatted(LogLevel::info, format, fmt::make_format_args(args...));
}
template <class... Args> void log_warning(fmt::format_string<Args...> format, Args &&...args)
{
    log_formatted(LogLevel::warning, format, fmt::make_format_args(args...));
}
template <class... Args> void log_error(fmt::format_string<Args...> format, Args &&...args)
{
    log_formatted(LogLevel::error, format, fmt::make_format_args(args...));
}

// The text with control characters (C1 too) and bytes that are not UTF-8 written as \x1b and the
// like: text from outside must neither control a terminal nor begin a line of the log.
std::string escaped(std::string_view text);

} // namespace xvtep::agent
