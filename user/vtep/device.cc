// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/device.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "user/datapath/tc_attach.h"

namespace xvtep {
namespace {

// A vxlan device stays bound to the namespace in which it was made, also when it is moved.
bool is_bound_to(Netlink &there, const Link &link, bool is_here, std::uint64_t home)
{
    if (!link.lower_nsid)
        return is_here;
    const auto bound = there.netns_by_id(*link.lower_nsid);
    return bound && bound->inode() == home;
}

Result<bool> has_living_link(const Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto links, pinned_links(session.directory));
    return std::ranges::any_of(links, [&](const PinnedLink &link) {
        return link.ifindex == static_cast<int>(vtep.ifindex) && !link.dead;
    });
}

} // namespace

bool is_device_of(const Link &link, const xv_vtep &vtep)
{
    return vtep.vni != 0 && link.vxlan && link.vxlan->vni == vtep.vni &&
           link.vxlan->dstport == ntohs(vtep.dstport);
}

const Link *find_device(const std::vector<Link> &links, const xv_vtep &vtep)
{
    const auto link = std::ranges::find(links, static_cast<int>(vtep.ifindex), &Link::index);
    return link != links.end() && is_device_of(*link, vtep) ? &*link : nullptr;
}

Result<std::optional<MovedDevice>> find_moved(const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto home, Netns::current());
    bool all = false;
    for (Netns &netns : Netns::visible(&all)) {
        const auto scope = netns.enter();
        if (!scope && scope.error().code == EPERM) // CAP_SYS_ADMIN is missing
            continue;
        TRY(scope);
        TRY_ASSIGN(auto netlink, Netlink::open());
        TRY_ASSIGN(const auto links, netlink.links());
        for (const Link &link : links)
            if (is_device_of(link, vtep) &&
                is_bound_to(netlink, link, netns.inode() == home.inode(), home.inode())) {
                const bool away = netns.inode() != home.inode();
                return MovedDevice{std::move(netns), link, away};
            }
    }
    if (!all)
        return system_failure("find device", vtep.name, "not all namespaces could be looked at",
                              EAGAIN);
    return std::nullopt;
}

Result<bool> device_lives_on(const Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(const bool living, has_living_link(session, vtep));
    if (living)
        return true;
    TRY_ASSIGN(const auto moved, find_moved(vtep));
    return moved.has_value();
}

Result<> reach_device(Session &session, const xv_vtep &vtep)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    for (;;) {
        const auto link = session.netlink.link(static_cast<int>(vtep.ifindex));
        if (!link && link.error().code != ENODEV)
            return session.wrap(link.error());
        TRY_ASSIGN(const bool living, session.wrap(has_living_link(session, vtep)));
        if ((link && is_device_of(*link, vtep)) || !living)
            return {};
        TRY_ASSIGN(const auto moved, session.wrap(find_moved(vtep)));
        if (moved)
            return {};
        if (std::chrono::steady_clock::now() > deadline)
            return session.refused(std::string(vtep.name) +
                                       " is in a namespace that cannot be seen from here",
                                   ENODEV);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

Result<> delete_device(Session &session, const xv_vtep &vtep)
{
    const auto index = static_cast<int>(vtep.ifindex);
    const auto link = session.netlink.link(index);
    if (link && is_device_of(*link, vtep))
        return session.netlink.delete_link(index);
    if (!link && link.error().code != ENODEV)
        return std::unexpected(link.error());
    TRY_ASSIGN(const auto moved, find_moved(vtep));
    if (!moved)
        return {};
    TRY_ASSIGN(const auto scope, moved->netns.enter());
    TRY_ASSIGN(auto there, Netlink::open());
    return there.delete_link(moved->link.index);
}

std::string device_name(const std::vector<Link> &links, const xv_vtep &vtep)
{
    if (const Link *link = find_device(links, vtep))
        return link->name;
    return {vtep.name, ::strnlen(vtep.name, sizeof(vtep.name))};
}

} // namespace xvtep
