// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/waiting.h"

#include <fmt/format.h>

#include <thread>

namespace xvtep {

using std::chrono::steady_clock;

Result<bool> becomes_true(std::chrono::milliseconds time,
                          const std::function<Result<bool>()> &condition)
{
    const auto deadline = steady_clock::now() + time;
    for (;;) {
        TRY_ASSIGN(const bool is_true, condition());
        if (is_true || steady_clock::now() >= deadline)
            return is_true;
        std::this_thread::sleep_for(poll_interval);
    }
}

double milliseconds_since(steady_clock::time_point start)
{
    return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

std::string milliseconds_text(std::chrono::microseconds time)
{
    return fmt::format("{:.3f} ms", static_cast<double>(time.count()) / 1000);
}

} // namespace xvtep
