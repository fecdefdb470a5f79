// SPDX-License-Identifier: GPL-2.0-only
// A clock that a test moves by hand.
#pragma once

#include <algorithm>
#include <map>
#include <utility>

#include "user/agent/timers.h"

namespace xvtep::agent {

class FakeTimers : public Timers {
  public:
    [[nodiscard]] Time now() const override { return now_; }
    Timer after(Clock::duration delay, std::function<void()> due) override
    {
        const Timer timer{now_ + delay, next_++};
        timers_.emplace(timer, std::move(due));
        return timer;
    }
    void cancel(Timer timer) override { timers_.erase(timer); }

    // Moves the clock, and runs what becomes due on the way at its time.
    void advance(Clock::duration time)
    {
        const Time end = now_ + time;
        while (!timers_.empty() && timers_.begin()->first.first <= end) {
            now_ = std::max(now_, timers_.begin()->first.first);
            const auto due = std::move(timers_.begin()->second);
            timers_.erase(timers_.begin());
            due();
        }
        now_ = end;
    }
    [[nodiscard]] std::size_t waiting() const { return timers_.size(); }

  private:
    Time now_{std::chrono::hours(1)};
    std::uint64_t next_ = 0;
    std::map<Timer, std::function<void()>> timers_;
};

} // namespace xvtep::agent
