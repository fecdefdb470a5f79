// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/move_announcer.h"

#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr unsigned times = 2;
constexpr auto pause_of_ip = 1s;
constexpr std::size_t most = 4096;
constexpr std::size_t frames_at_once = 500; // then others have a turn
constexpr auto pause = 50ms;

} // namespace

MoveAnnouncer::~MoveAnnouncer()
{
    if (timer_)
        timers_.cancel(*timer_);
}

void MoveAnnouncer::moved(const Key &ip, const Mac &mac)
{
    if (moves_.size() >= most && !moves_.contains(ip)) {
        log_debug("{} has moved: too many have at once to tell of it", ip.text());
        return;
    }
    auto &move = moves_[ip];
    move.mac = mac;
    move.times_left = times;
    schedule({});
}

void MoveAnnouncer::schedule(Timers::Clock::duration delay)
{
    if (!timer_)
        timer_ = timers_.after(delay, [this] { send_due(); });
}

void MoveAnnouncer::send_due()
{
    timer_.reset();
    const auto now = timers_.now();
    std::size_t frames = 0;
    for (auto &[ip, move] : moves_) {
        if (frames >= frames_at_once)
            break;
        if (move.times_left == 0 || move.next > now)
            continue;
        frames += send_(ip, move.mac);
        move.times_left--;
        move.next = now + pause_of_ip;
    }
    // An IP that has been told of is kept for its pause.
    std::erase_if(moves_, [&](const auto &move) {
        return move.second.times_left == 0 && move.second.next <= now;
    });
    if (!moves_.empty())
        schedule(pause);
}

} // namespace xvtep::agent
