// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/arp_requesters.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_of_port = 512;
constexpr auto waits = 5s; // by then a host has asked three times and given up

} // namespace

void ArpRequesters::add(const Key &wanted, const ArpRequester &requester)
{
    auto &count = count_of_port_[requester.ifindex];
    const auto found = requesters_.find(wanted);
    const bool is_known = found != requesters_.end() && found->second.contains(requester);
    if (!is_known && count >= most_of_port)
        return;
    if (!is_known)
        count++;
    requesters_[wanted][requester] = timers_.now();
}

std::vector<ArpRequester> ArpRequesters::take(const Key &wanted)
{
    std::vector<ArpRequester> waiting;
    const auto found = requesters_.find(wanted);
    if (found == requesters_.end())
        return waiting;
    for (const auto &[requester, when] : found->second)
        if (timers_.now() - when <= waits)
            waiting.push_back(requester);
    requesters_.erase(found);
    return waiting;
}

void ArpRequesters::forget_old()
{
    count_of_port_.clear();
    for (auto &[wanted, requesters] : requesters_) {
        std::erase_if(requesters, [now = timers_.now()](const auto &requester) {
            return now - requester.second > waits;
        });
        for (const auto &[requester, when] : requesters)
            count_of_port_[requester.ifindex]++;
    }
    std::erase_if(requesters_, [](const auto &wanted) { return wanted.second.empty(); });
}

} // namespace xvtep::agent
