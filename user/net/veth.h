// SPDX-License-Identifier: GPL-2.0-only
// The other end of a veth, which may be in another namespace.
#pragma once

#include <functional>
#include <string>

#include "user/base/result.h"
#include "user/net/netlink.h"

namespace xvtep {

// Enters the namespace of a veth's other end and runs `action` with that end's name.
//
// Errors: those of `action`; is_out_of_reach() is true if this process cannot see the namespace.
Result<> with_veth_peer(Netlink &netlink, const Link &veth,
                        const std::function<Result<>(const std::string &peer)> &action);

bool is_out_of_reach(const Error &error);

} // namespace xvtep
