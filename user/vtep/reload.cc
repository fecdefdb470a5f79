// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <iterator>

#include "user/vtep/migrate.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/session.h"
#include "user/vtep/switch_programs.h"
#include "user/vtep/underlay.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// Loads the programs of this binary with the maps that are there.
Result<unsigned> reload_programs(Session &session, int wanted)
{
    const std::string maps = session.directory + "/maps";
    TRY_ASSIGN(const auto groups, groups_in_use(session));
    TRY_ASSIGN(const auto fresh, LoadedPrograms::load(maps, groups));
    ProgramSwitch programs(session, fresh, maps);
    TRY(programs.run(wanted));
    if (wanted == 0)
        TRY(fresh.pin(maps));
    TRY(programs.xdp());
    return programs.commit();
}

} // namespace

Result<unsigned> reload(const std::optional<std::string> &device)
{
    TRY(check_privileges("reload", device.value_or(""), Privilege::load));
    if (!device) {
        TRY_ASSIGN(const auto migrated, migrate("reload"));
        if (migrated)
            return *migrated;
    }
    TRY_ASSIGN(auto session, Session::writer("reload", device.value_or("")));
    if (!session.tables)
        return session.refused("nothing is attached", ENOENT);
    int wanted = 0;
    if (device) {
        const auto link = session.netlink.link(*device);
        if (!link)
            return session.refused(link.error().cause, link.error().code);
        wanted = link->index;
        TRY_ASSIGN(auto vteps, session.wrap(session.vteps()));
        TRY_ASSIGN(const auto many, session.wrap(session.vni_devices()));
        std::ranges::copy(many, std::back_inserter(vteps));
        if (std::ranges::none_of(vteps, [&](const xv_vtep &v) {
                return uses(v, wanted) || v.ifindex == static_cast<__u32>(wanted);
            }))
            return session.refused("no VNI is attached", ENOENT);
    }
    TRY(session.wrap(allow_route_queries(session)));
    TRY_ASSIGN(auto records, session.wrap(session.vteps()));
    TRY_ASSIGN(const auto many, session.wrap(session.vni_devices()));
    std::erase_if(records, [](const xv_vtep &vtep) { return vtep.vid != 0; });
    std::ranges::copy(many, std::back_inserter(records));
    for (const auto &record : records)
        follow_routes(session, record);
    return session.wrap(reload_programs(session, wanted));
}

} // namespace xvtep
