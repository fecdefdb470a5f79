// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/own_endpoints.h"

#include <algorithm>

namespace xvtep::agent {

bool OwnEndpoints::set(const std::set<Record> &own)
{
    if (own_ == own)
        return false;
    own_ = own;
    return true;
}

bool OwnEndpoints::contains(std::uint32_t vni, const Mac &mac) const
{
    return own_ && std::ranges::any_of(
                       *own_, [&](const Record &own) { return own.vni == vni && own.mac == mac; });
}

bool OwnEndpoints::is_claimed(const Key &key, const Record &record, Host &host) const
{
    if (!own_ || host.is_own(record.vtep))
        return false;
    bool is_ours = false;
    for (const auto &own : *own_) {
        if (!answers(own, key))
            continue;
        is_ours = true;
        if (own.vtep == record.vtep) // announced by --vtep with an address of no device here
            return false;
    }
    return is_ours;
}

} // namespace xvtep::agent
