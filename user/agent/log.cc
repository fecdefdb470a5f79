// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/log.h"

#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/formatter.h>
#include <spdlog/spdlog.h>

namespace xvtep::agent {
namespace {

class JsonFormatter : public spdlog::formatter {
  public:
    void format(const spdlog::details::log_msg &message, spdlog::memory_buf_t &out) override
    {
        using namespace std::chrono;
        const auto level = spdlog::level::to_string_view(message.level);
        const auto second = floor<seconds>(message.time);
        const nlohmann::ordered_json line{
            {"time", fmt::format("{:%FT%T}.{:06}Z", second,
                                 duration_cast<microseconds>(message.time - second).count())},
            {"level", std::string(level.data(), level.size())},
            {"message", std::string(message.payload.data(), message.payload.size())}};
        const auto text =
            line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
        out.append(text.data(), text.data() + text.size());
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override
    {
        return std::make_unique<JsonFormatter>();
    }
};

} // namespace

void set_up_log(spdlog::level::level_enum level, bool json)
{
    spdlog::set_level(level);
    spdlog::flush_on(spdlog::level::trace);
    if (json)
        spdlog::set_formatter(std::make_unique<JsonFormatter>());
    else
        spdlog::set_pattern("%H:%M:%S.%e %l %v");
}

} // namespace xvtep::agent
