// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/veth.h"

#include <optional>

#include "xvtep/netns.h"

namespace xvtep {

bool is_out_of_reach(const Error &error)
{
    return error.code == ENOENT || error.code == ENODEV;
}

Result<> with_veth_peer(Netlink &netlink, const Link &veth,
                        const std::function<Result<>(const std::string &peer)> &action)
{
    std::optional<Netns> home;
    std::optional<Netns::Scope> scope;
    if (veth.lower_nsid) {
        auto found = netlink.netns_by_id(*veth.lower_nsid);
        TRY(found);
        home.emplace(std::move(*found));
        auto entered = home->enter();
        TRY(entered);
        scope.emplace(std::move(*entered));
    }
    TRY_ASSIGN(auto there, Netlink::open());
    TRY_ASSIGN(const auto peer, there.link(veth.lower));
    return action(peer.name);
}

} // namespace xvtep
