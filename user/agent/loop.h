// SPDX-License-Identifier: GPL-2.0-only
// One thread's event loop: descriptors and timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::agent {

class Loop {
  public:
    using Clock = std::chrono::steady_clock;
    using Timer = std::pair<Clock::time_point, std::uint64_t>; // for cancel()

    static Result<Loop> make();

    // `events`: EPOLLIN, EPOLLOUT, …; `ready` gets those that came. Watching again changes both.
    void watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);
    void forget(int fd); // before it is closed; safe within a callback

    Timer after(Clock::duration delay, std::function<void()> due);
    void cancel(Timer timer); // one that has run: nothing

    // Runs callbacks until stop(), or until `deadline`.
    void run(Clock::time_point deadline = Clock::time_point::max());
    void stop() { stopped_ = true; }

  private:
    explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
    void run_timers();

    Fd epoll_;
    struct Watched {
        std::uint32_t id; // an event that waits may be of a descriptor closed meanwhile
        std::function<void(std::uint32_t)> ready;
    };
    std::map<int, std::shared_ptr<Watched>> watched_;
    std::uint32_t next_id_ = 0;
    std::map<Timer, std::function<void()>> timers_;
    std::uint64_t next_ = 0;
    bool stopped_ = false;
};

} // namespace xvtep::agent
