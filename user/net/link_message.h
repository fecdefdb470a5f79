// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>

#include "user/net/netlink.h"
#include "user/net/netlink_message.h"

namespace xvtep {

// Of an RTM_NEWLINK message; nothing for any other.
std::optional<Link> parse_link(const nlmsghdr &message);
// The attributes inside IFLA_INFO_DATA of a new vxlan device: every option, default or not.
void put_vxlan(Message &message, const VxlanOptions &options);

} // namespace xvtep
