// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>
#include <string_view>

#include <spdlog/common.h>

namespace xvtep::agent {

// The log goes to standard error: plain lines, or a JSON object a line with time, level, message.
void set_up_log(spdlog::level::level_enum level, bool json);

// What others say must not steer a terminal or begin a line: control characters, C1 too, and what
// is no UTF-8 become \x1b and the like.
std::string escaped(std::string_view text);

} // namespace xvtep::agent
