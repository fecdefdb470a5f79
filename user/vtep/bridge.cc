// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/bridge.h"

#include <algorithm>
#include <cerrno>

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

Result<std::vector<int>> unused_bridges(Session &session, const std::vector<Link> &links,
                                        const std::set<int> &made, const std::set<int> &leaving)
{
    std::set<int> used;
    for (const Link &link : links)
        if (link.master != 0 && !leaving.contains(link.index))
            used.insert(link.master);
    TRY_ASSIGN(const auto addresses, session.netlink.addresses());
    for (const auto &[index, prefix] : addresses)
        if (!prefix.address.is_link_local())
            used.insert(index);
    std::vector<int> unused;
    for (const int index : made)
        if (const Link *const link = find_link(links, index);
            link != nullptr && link->kind == "bridge" && !used.contains(index))
            unused.push_back(index);
    return unused;
}

} // namespace xvtep
