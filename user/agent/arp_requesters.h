// SPDX-License-Identifier: GPL-2.0-only
// Hosts behind local ports that have asked for an IP by ARP or neighbour discovery and may still
// wait for the answer.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "user/agent/record.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

struct ArpRequester {
    int ifindex = 0; // the port
    std::uint16_t vlan = 0;
    Mac mac;
    Ip ip;
    auto operator<=>(const ArpRequester &) const = default;
};

class ArpRequesters {
  public:
    explicit ArpRequesters(const Timers &timers) : timers_(timers) {}

    // The number of each port's requests is bounded; further ones are ignored.
    void add(const Key &wanted, const ArpRequester &requester);
    // Those that still wait for the IP; they are forgotten.
    std::vector<ArpRequester> take(const Key &wanted);
    void forget_old();

  private:
    const Timers &timers_;
    std::map<Key, std::map<ArpRequester, Timers::Time>> requesters_; // when they asked last
    std::map<int, std::size_t> count_of_port_;
};

} // namespace xvtep::agent
