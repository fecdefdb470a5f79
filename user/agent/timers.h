// SPDX-License-Identifier: GPL-2.0-only
// The clock and the timers that the agent's parts use: the event loop's, or those of a test that
// moves its clock by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace xvtep::agent {

class Timers {
  public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    using Timer =
        std::pair<Time, std::uint64_t>; // when it is due, and a number that tells it apart

    virtual ~Timers() = default;

    [[nodiscard]] virtual Time now() const = 0;
    // Calls `due` once, from the event loop and never from within this call.
    virtual Timer after(Clock::duration delay, std::function<void()> due) = 0;
    // Does nothing if the timer has run already.
    virtual void cancel(Timer timer) = 0;
};

} // namespace xvtep::agent
