// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <spdlog/common.h>

namespace xvtep::agent {

// The log goes to standard error: plain lines, or a JSON object a line with time, level, message.
void set_up_log(spdlog::level::level_enum level, bool json);

} // namespace xvtep::agent
