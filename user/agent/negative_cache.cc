// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/negative_cache.h"

namespace xvtep::agent {

void NegativeCache::add(const Key &key, std::chrono::milliseconds time, Time now)
{
    if (keys_.size() >= options_.most)
        keys_.clear();
    keys_[key] = {now + time, now};
}

bool NegativeCache::suppresses(const Key &key, Time now)
{
    const auto found = keys_.find(key);
    if (found == keys_.end() || now >= found->second.until)
        return false;
    found->second.asked = now;
    return true;
}

bool NegativeCache::remove(const Key &key, Time now)
{
    const auto found = keys_.find(key);
    if (found == keys_.end())
        return false;
    const bool awaited = now < found->second.asked + options_.awaited_for;
    keys_.erase(found);
    return awaited;
}

void NegativeCache::forget_old(Time now)
{
    std::erase_if(keys_, [&](const auto &one) {
        return one.second.until <= now && one.second.asked + options_.awaited_for <= now;
    });
}

void NegativeCache::keep_only(const std::set<std::uint32_t> &vnis)
{
    std::erase_if(keys_, [&](const auto &one) { return !vnis.contains(one.first.vni); });
}

} // namespace xvtep::agent
