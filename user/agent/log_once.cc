// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/log_once.h"

#include "user/agent/log.h"

namespace xvtep::agent {

void LogOnce::warn(const std::string &text)
{
    constexpr std::size_t most = 1000;
    if (logged_.size() < most && logged_.try_emplace(text, timers_.now()).second)
        log_warning("{}", text);
}

void LogOnce::forget_old()
{
    using namespace std::chrono_literals;
    std::erase_if(logged_,
                  [now = timers_.now()](const auto &one) { return one.second + 10min <= now; });
}

} // namespace xvtep::agent
