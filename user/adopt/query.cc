// SPDX-License-Identifier: GPL-2.0-only
#include "user/adopt/query.h"

#include <algorithm>

#include "user/vtep/queries.h"
#include "user/vtep/session.h"
#include "user/vtep/vtep.h"

namespace xvtep::adopt {

Result<bool> is_adopted(const std::string &device)
{
    TRY_ASSIGN(auto session, Session::adopted("look for", device));
    if (!session)
        return false;
    const auto link = session->netlink.link(device);
    if (!link)
        return link.error().code == ENODEV ? Result<bool>(false) : Failure(link.error());
    TRY_ASSIGN(const auto vtep, session->vtep_of_device(link->index));
    return vtep.has_value();
}

Result<std::vector<VtepInfo>> list(const std::optional<std::string> &device)
{
    std::vector<VtepInfo> all;
    TRY_ASSIGN(auto session, Session::adopted("show", device.value_or("")));
    if (!session)
        return all;
    TRY_ASSIGN(const auto links, session->wrap(session->netlink.links()));
    TRY_ASSIGN(const auto vteps, session->wrap(session->vteps()));
    for (const auto &vtep : vteps) {
        TRY_ASSIGN(auto info, session->wrap(describe(*session, vtep, links)));
        info.adopted = true;
        info.mode = Mode::tc;
        if (!device || info.name == *device || std::ranges::count(info.devices, *device) != 0)
            all.push_back(std::move(info));
    }
    return all;
}

Result<std::vector<RefusedDevice>> list_refused(const std::optional<std::string> &device)
{
    TRY_ASSIGN(const auto cookie, current_netns_cookie());
    TRY_ASSIGN(const auto service, find_service(cookie));
    std::vector<RefusedDevice> all;
    if (service)
        std::ranges::copy_if(service->refused, std::back_inserter(all),
                             [&](const auto &one) { return !device || one.name == *device; });
    return all;
}

Result<std::vector<FdbEntry>> fdb(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::adopted("fdb show", device.value_or("")));
    return session ? show_fdb(*session, device) : Result<std::vector<FdbEntry>>();
}

Result<std::vector<Stats>> stats(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::adopted("stats", device.value_or("")));
    return session ? show_stats(*session, device) : Result<std::vector<Stats>>();
}

} // namespace xvtep::adopt
