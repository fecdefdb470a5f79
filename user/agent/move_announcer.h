// SPDX-License-Identifier: GPL-2.0-only
// Tells the hosts behind local ports that an IP has moved to another MAC: twice, a second apart,
// because one frame may be lost.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "user/agent/record.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

class MoveAnnouncer {
  public:
    // Sends the frames that tell of the IP's MAC; returns how many there were.
    using Send = std::function<std::size_t(const Key &ip, const Mac &mac)>;

    MoveAnnouncer(Timers &timers, Send send) : timers_(timers), send_(std::move(send)) {}
    ~MoveAnnouncer();
    MoveAnnouncer(const MoveAnnouncer &) = delete;
    MoveAnnouncer &operator=(const MoveAnnouncer &) = delete;

    // An IP is told of once a second at most; of several moves in that time, the last one counts.
    void moved(const Key &ip, const Mac &mac);
    // The hosts have heard of the IP's MAC by other means.
    void heard(const Key &ip) { moves_.erase(ip); }

  private:
    struct Move {
        Mac mac;
        unsigned times_left = 0;
        Timers::Time next{};
    };

    void schedule(Timers::Clock::duration delay);
    void send_due();

    Timers &timers_;
    Send send_;
    std::map<Key, Move> moves_;
    std::optional<Timers::Timer> timer_;
};

} // namespace xvtep::agent
