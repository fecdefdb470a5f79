// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/log.h"

#include <algorithm>
#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>

#include "user/agent/json.h"

namespace xvtep::agent {
namespace {

class TextFormatter : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg &message, spdlog::memory_buf_t &out) override
    {
        const std::string text = escaped({message.payload.data(), message.payload.size()});
        spdlog::details::log_msg clean = message;
        clean.payload = text;
        pattern_.format(clean, out);
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override
    {
        return std::make_unique<TextFormatter>();
    }

  private:
    spdlog::pattern_formatter pattern_{"%H:%M:%S.%e %l %v"};
};

// The length of the UTF-8 sequence at the start of `text`; 0 if it is not valid.
std::size_t sequence_at(std::string_view text)
{
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const std::size_t size = byte(0) < 0x80   ? 1
                             : byte(0) < 0xc2 ? 0
                             : byte(0) < 0xe0 ? 2
                             : byte(0) < 0xf0 ? 3
                             : byte(0) < 0xf5 ? 4
                                              : 0;
    if (size > text.size())
        return 0;
    for (std::size_t at = 1; at < size; at++)
        if ((byte(at) & 0xc0) != 0x80)
            return 0;
    return size;
}

class JsonFormatter : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg &message, spdlog::memory_buf_t &out) override
    {
        using namespace std::chrono;
        const auto level = spdlog::level::to_string_view(message.level);
        const auto second = floor<seconds>(message.time);
        const auto text =
            fmt::format("{{\"time\":\"{:%FT%T}.{:06}Z\",\"level\":\"{}\",\"message\":{}}}\n",
                        second, duration_cast<microseconds>(message.time - second).count(),
                        std::string_view(level.data(), level.size()),
                        json_string({message.payload.data(), message.payload.size()}));
        out.append(text.data(), text.data() + text.size());
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override
    {
        return std::make_unique<JsonFormatter>();
    }
};

spdlog::level::level_enum level_of(LogLevel level)
{
    switch (level) {
    case LogLevel::debug:
        return spdlog::level::debug;
    case LogLevel::info:
        return spdlog::level::info;
    case LogLevel::warning:
        return spdlog::level::warn;
    case LogLevel::error:
        break;
    }
    return spdlog::level::err;
}

} // namespace

void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments)
{
    auto &logger = *spdlog::default_logger_raw();
    if (const auto spdlog_level = level_of(level); logger.should_log(spdlog_level))
        logger.log(spdlog_level, spdlog::string_view_t(fmt::vformat(format, arguments)));
}

std::string escaped(std::string_view text)
{
    std::string clean;
    while (!text.empty()) {
        const auto size = sequence_at(text);
        const auto first = static_cast<unsigned char>(text[0]);
        const bool control =
            first < ' ' || first == 0x7f ||
            (size == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
        if (size != 0 && !control) {
            clean += text.substr(0, size);
            text.remove_prefix(size);
            continue;
        }
        for (std::size_t i = 0; i < std::max<std::size_t>(size, 1); i++)
            clean += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return clean;
}

void set_up_log(spdlog::level::level_enum level, LogFormat format)
{
    spdlog::set_level(level);
    spdlog::flush_on(spdlog::level::trace);
    if (format == LogFormat::json)
        spdlog::set_formatter(std::make_unique<JsonFormatter>());
    else
        spdlog::set_formatter(std::make_unique<TextFormatter>());
}

} // namespace xvtep::agent
