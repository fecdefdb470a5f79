// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/members.h"

#include <algorithm>

#include "user/vtep/grow.h"

namespace xvtep {

Result<> add_member(Session &session, __u32 slot, const xv_member &member)
{
    TRY_ASSIGN(auto vtep, session.tables->vteps.look_up(slot));
    if (!vtep || vtep->slot == 0)
        return session.refused("the VTEP is gone", ENODEV);
    if (vtep->members >= XV_MEMBERS_MAX)
        return session.refused("the VNI has " + std::to_string(XV_MEMBERS_MAX) +
                                   " ports without a bridge already",
                               ENOSPC);
    TRY(growing(session, &Sizes::vlans, [&] {
        return session.tables->members.put({slot, vtep->members}, member);
    }));
    vtep->members++;
    return session.tables->vteps.put(slot, *vtep);
}

Result<> remove_members(Session &session,
                        const std::function<bool(__u32 slot, const xv_member &)> &which)
{
    TRY_ASSIGN(auto all, session.tables->members.entries());
    std::ranges::sort(all, {},
                      [](const auto &m) { return std::pair(m.first.slot, m.first.index); });
    for (std::size_t at = 0; at < all.size();) {
        const __u32 slot = all[at].first.slot;
        const std::size_t begin = at;
        __u32 kept = 0;
        for (; at < all.size() && all[at].first.slot == slot; at++) {
            if (which(slot, all[at].second))
                continue;
            if (kept != all[at].first.index)
                TRY(session.tables->members.put({slot, kept}, all[at].second));
            kept++;
        }
        if (kept == at - begin)
            continue;
        TRY_ASSIGN(auto vtep, session.tables->vteps.look_up(slot));
        if (vtep && vtep->slot != 0 && vtep->members != kept) {
            vtep->members = kept;
            TRY(session.tables->vteps.put(slot, *vtep));
        }
        for (std::size_t n = begin; n < at; n++)
            if (all[n].first.index >= kept)
                TRY(session.tables->members.remove(all[n].first));
    }
    return {};
}

} // namespace xvtep
