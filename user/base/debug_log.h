// SPDX-License-Identifier: GPL-2.0-only
// The debug log, through spdlog's default logger. debug_log.cc alone includes spdlog, since each
// file that does takes seconds to compile.
#pragma once

#include <string>
#include <string_view>

namespace xvtep {

void debug_log(std::string_view text);

enum class DebugLog { off, on };

// Makes standard error the log of this process.
void set_up_debug_log(const std::string &program, DebugLog log);

[[nodiscard]] bool debug_log_is_on();

} // namespace xvtep
