// SPDX-License-Identifier: GPL-2.0-only
// Remembers the MAC that hosts behind local ports may have in their neighbour tables for an IP, to
// notice that the IP has moved to another MAC.
#pragma once

#include <map>
#include <set>

#include "user/agent/record.h"

namespace xvtep::agent {

class IpMoves {
  public:
    // At most `most` IPs; when there are more, all are forgotten.
    explicit IpMoves(std::size_t most) : most_(most) {}

    // Hosts may learn that the IP is at this MAC. Returns whether they may have another MAC for it.
    bool note(const Key &ip, const Mac &mac);
    // Whether hosts may have another MAC for the IP.
    [[nodiscard]] bool would_move(const Key &ip, const Mac &mac) const;
    // Forgets the IPs of other VNIs.
    void keep_only(const std::set<std::uint32_t> &vnis);

  private:
    const std::size_t most_;
    std::map<Key, Mac> macs_;
};

} // namespace xvtep::agent
