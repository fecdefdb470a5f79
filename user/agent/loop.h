// SPDX-License-Identifier: GPL-2.0-only
// An event loop with descriptors and timers, for one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "user/agent/timers.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::agent {

class Loop : public Timers {
  public:
    static Result<Loop> make();

    // Calls `ready` with the epoll events of the descriptor that came, out of `events` (EPOLLIN,
    // EPOLLOUT, …). A second call for the same descriptor replaces both.
    void watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);
    // Ends that, before the descriptor is closed. Callbacks may call it.
    void forget(int fd);

    [[nodiscard]] Time now() const override { return Clock::now(); }
    Timer after(Clock::duration delay, std::function<void()> due) override;
    void cancel(Timer timer) override;

    // Runs callbacks until stop(), or until `deadline`.
    void run(Clock::time_point deadline = Clock::time_point::max());
    void stop() { stopped_ = true; }
    // Of a watch(), after which run() ends at once.
    [[nodiscard]] Result<> failure() const;

  private:
    explicit Loop(Fd epoll) : epoll_(std::move(epoll)) {}
    void run_timers();

    Fd epoll_;
    struct Watched {
        std::uint32_t id; // tells it from an earlier descriptor with the same number
        std::function<void(std::uint32_t)> ready;
    };
    std::map<int, std::shared_ptr<Watched>> watched_;
    std::uint32_t next_id_ = 0;
    std::map<Timer, std::function<void()>> timers_;
    std::uint64_t next_ = 0;
    bool stopped_ = false;
    int failed_ = 0; // errno of a watch()
};

} // namespace xvtep::agent
