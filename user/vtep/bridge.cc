// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/bridge.h"

#include <algorithm>
#include <cerrno>

#include "user/vtep/teardown.h"

namespace xvtep {
namespace {

Result<int> make_bridge(Session &session, const std::string &name, Undo &undo)
{
    NewLink link{.name = name};
    link.group = unfinished_group;
    auto made = session.netlink.add_bridge(link);
    if (!made)
        return session.wrap(made.error());
    undo.push([&session, index = *made] { (void)session.netlink.delete_link(index); });
    return *made;
}

} // namespace

Result<JoinedBridge> join_bridge(Session &session, const std::string &bridge, int device,
                                 Undo &undo)
{
    JoinedBridge joined;
    const auto found = session.netlink.link(bridge);
    if (found && found->kind != "bridge")
        return session.refused(bridge + " is not a bridge", EINVAL);
    if (!found && found.error().code != ENODEV)
        return session.wrap(found.error());
    joined.made = !found;
    if (joined.made)
        TRY_SET(joined.index, make_bridge(session, bridge, undo));
    else
        joined.index = found->index;
    if (auto done = session.netlink.change_link(device, {.master = joined.index}); !done)
        return session.wrap(done.error());
    return joined;
}

Result<> remove_made_bridge(Session &session, int ifindex)
{
    const auto bridge = session.netlink.link(ifindex);
    if (!bridge)
        return unless_gone(std::unexpected(bridge.error()));
    if (bridge->kind != "bridge")
        return {};
    TRY_ASSIGN(const auto links, session.netlink.links());
    if (std::ranges::any_of(links, [&](const Link &l) { return l.master == ifindex; }))
        return {};
    TRY_ASSIGN(const auto addresses, session.netlink.addresses(ifindex));
    if (std::ranges::any_of(addresses,
                            [](const Prefix &prefix) { return !prefix.address.is_link_local(); }))
        return {};
    return unless_gone(session.netlink.delete_link(ifindex));
}

} // namespace xvtep
