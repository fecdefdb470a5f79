// SPDX-License-Identifier: GPL-2.0-only
// Takes down a data path whose tables cannot be used: they are of another version, or damaged.
#include <algorithm>
#include <cerrno>
#include <iterator>
#include <vector>

#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/vtep/recover.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/session.h"
#include "user/vtep/teardown.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// Takes down what the tables describe. Only they say which settings have to be restored.
Result<> remove_in_order(Session &session)
{
    TRY(session.open_tables());
    TRY(recover(session));
    TRY_ASSIGN(auto vteps, session.vteps());
    TRY_ASSIGN(const auto devices, session.vni_devices());
    std::ranges::copy(devices, std::back_inserter(vteps));
    TRY(remove_vteps(session, vteps));
    if (!session.tables)
        return {};
    TRY(release_unused_underlays(session));
    return end_route_queries(session);
}

// Whether the tables themselves may be good: without what they say, settings of the host would stay
// changed for good.
bool may_succeed_again(const Error &error)
{
    switch (error.code) {
    case EAGAIN:
    case EBUSY:
    case EINTR:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOLCK:
    case ENOMEM:
    case ENOSPC:
    case EPERM:
        return true;
    default:
        return false;
    }
}

// A VTEP's device is recognized by the program at its egress.
Result<bool> is_made(const Session &session, const DeviceBlocks &blocks, const Link &link)
{
    if (link.kind != "vxlan")
        return false;
    if (link.group == unfinished_group || blocks.is_attached(link.index, Hook::egress))
        return true;
    return is_tc_attached({session.directory, link.index, Hook::egress, link.name},
                          Program::tc_device_egress);
}

Result<std::vector<int>> made_devices(Session &session)
{
    std::vector<int> made;
    TRY_ASSIGN(const auto links, session.netlink.links());
    TRY_ASSIGN(const auto blocks, DeviceBlocks::read(session.netlink));
    for (const auto &link : links) {
        TRY_ASSIGN(const bool ours, is_made(session, blocks, link));
        if (ours)
            made.push_back(link.index);
    }
    return made;
}

Result<> remove_by_looks(Session &session, const std::vector<int> &devices)
{
    TRY(session.netlink.delete_links(devices, unfinished_group));
    TRY_ASSIGN(const auto links, session.netlink.links());
    for (const auto &link : links) {
        if (link.xdp_program != 0)
            TRY(detach_xdp(link.index)); // ours only
        for (const Hook hook : {Hook::ingress, Hook::egress})
            TRY(detach_tc({session.directory, link.index, hook, link.name}, Clsact::kept));
    }
    return remove_state(session.root, session.cookie);
}

} // namespace

Result<> detach_by_force()
{
    TRY(check_privileges("detach", "--force", Privilege::xdp));
    TRY_ASSIGN(auto session, Session::locked("detach", "--force"));
    // Devices are recognized by their programs, so look before these are detached.
    TRY_ASSIGN(const auto devices, session.wrap(made_devices(session)));
    const auto done = remove_in_order(session);
    if (!done && may_succeed_again(done.error()))
        return session.wrap(done);
    session.tables.reset();
    return session.wrap(remove_by_looks(session, devices));
}

} // namespace xvtep
