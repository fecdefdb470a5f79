// SPDX-License-Identifier: GPL-2.0-only
#include "user/base/debug_log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace xvtep {

void debug_log(std::string_view text)
{
    spdlog::debug(spdlog::string_view_t(text.data(), text.size()));
}

void set_up_debug_log(const std::string &program, DebugLog log)
{
    auto logger = spdlog::get(program); // of an earlier call
    if (!logger)
        logger = spdlog::stderr_logger_mt(program);
    spdlog::set_default_logger(std::move(logger));
    spdlog::set_level(log == DebugLog::on ? spdlog::level::debug : spdlog::level::off);
}

bool debug_log_is_on()
{
    return spdlog::get_level() == spdlog::level::debug;
}

} // namespace xvtep
