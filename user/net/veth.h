// SPDX-License-Identifier: GPL-2.0-only
// The other end of a veth, which may be in another namespace.
#pragma once

#include <functional>
#include <string>

#include "user/base/result.h"
#include "user/net/netlink.h"

namespace xvtep {

// Runs `action` with the name of a veth's other end, in that end's namespace. Where that is nowhere
// to be seen, is_out_of_reach() of the error.
Result<> with_veth_peer(Netlink &netlink, const Link &veth,
                        const std::function<Result<>(const std::string &peer)> &action);

bool is_out_of_reach(const Error &error);

} // namespace xvtep
