// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "user/base/result.h"

namespace xvtep {

constexpr std::chrono::milliseconds ready_timeout{5000};
constexpr std::chrono::milliseconds poll_interval{20};

// Asks again and again. True as soon as `condition` is; false after `time`.
Result<bool> becomes_true(std::chrono::milliseconds time,
                          const std::function<Result<bool>()> &condition);

double milliseconds_since(std::chrono::steady_clock::time_point start);

std::string milliseconds_text(std::chrono::microseconds time); // "0.120 ms"

} // namespace xvtep
