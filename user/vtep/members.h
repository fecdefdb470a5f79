// SPDX-License-Identifier: GPL-2.0-only
// The `members` table: ports of a VTEP that no bridge serves, numbered without gaps.
#pragma once

#include <functional>
#include <string>

#include "user/vtep/session.h"

namespace xvtep {

Result<> add_member(Session &session, __u32 slot, const xv_member &member);
void remove_members(Session &session, const std::function<bool(const xv_member &)> &which);

// Runs `action` with the name of a veth's other end, in that end's namespace.
Result<> with_veth_peer(Netlink &netlink, const Link &veth,
                        const std::function<Result<>(const std::string &peer)> &action);

} // namespace xvtep
