// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace xvtep::agent {

Result<Loop> Loop::make()
{
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll)
        return errno_failure("open", "epoll", errno);
    return Loop(std::move(epoll));
}

void Loop::watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready)
{
    epoll_event event{};
    event.events = events;
    const auto id = next_id_++;
    event.data.u64 = std::uint64_t{id} << 32 | static_cast<std::uint32_t>(fd);
    // A descriptor that was closed and opened again has left the epoll set.
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
        (errno != ENOENT || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)) {
        failed_ = errno;
        stopped_ = true;
    }
    watched_[fd] = std::make_shared<Watched>(Watched{id, std::move(ready)});
}

Result<> Loop::failure() const
{
    return failed_ == 0 ? Result<>() : errno_failure("watch", "a descriptor", failed_);
}

void Loop::forget(int fd)
{
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watched_.erase(fd);
}

Loop::Timer Loop::after(Clock::duration delay, std::function<void()> due)
{
    const Timer timer{Clock::now() + delay, next_++};
    timers_.emplace(timer, std::move(due));
    return timer;
}

void Loop::cancel(Timer timer)
{
    timers_.erase(timer);
}

void Loop::run_timers()
{
    const auto now = Clock::now();
    while (!stopped_ && !timers_.empty() && timers_.begin()->first.first <= now) {
        const auto due = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
        due();
    }
}

void Loop::run(Clock::time_point deadline)
{
    stopped_ = failed_ != 0;
    while (!stopped_) {
        const auto now = Clock::now();
        if (now >= deadline)
            return;
        auto until = std::min(deadline, now + std::chrono::hours(1));
        if (!timers_.empty())
            until = std::min(until, timers_.begin()->first.first);
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(
            std::max(until - now, Clock::duration::zero()));
        std::array<epoll_event, 64> events{};
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(wait.count()));
        for (int i = 0; i < count && !stopped_; i++) {
            const auto &event = events[static_cast<std::size_t>(i)];
            const auto found = watched_.find(static_cast<int>(event.data.u64 & 0xffffffff));
            if (found == watched_.end() || found->second->id != event.data.u64 >> 32)
                continue;                       // a callback before has called forget()
            const auto watched = found->second; // the callback may call forget()
            watched->ready(event.events);
        }
        run_timers();
    }
}

} // namespace xvtep::agent
