// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/ip_moves.h"

#include <utility>

namespace xvtep::agent {

bool IpMoves::note(const Key &ip, const Mac &mac)
{
    if (macs_.size() >= most_ && !macs_.contains(ip))
        macs_.clear();
    const auto [known, is_new] = macs_.try_emplace(ip, mac);
    return !is_new && std::exchange(known->second, mac) != mac;
}

bool IpMoves::would_move(const Key &ip, const Mac &mac) const
{
    const auto known = macs_.find(ip);
    return known != macs_.end() && known->second != mac;
}

void IpMoves::keep_only(const std::set<std::uint32_t> &vnis)
{
    std::erase_if(macs_, [&](const auto &one) { return !vnis.contains(one.first.vni); });
}

} // namespace xvtep::agent
