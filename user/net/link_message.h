// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <span>

#include "user/net/netlink.h"
#include "user/net/netlink_message.h"
#include "xvtep/option.h"

namespace xvtep {

// Parses an RTM_NEWLINK message; returns nullopt for any other.
std::optional<Link> parse_link(const nlmsghdr &message);
// Puts the attributes inside IFLA_INFO_DATA of a new vxlan device: every option, also at its
// default.
void put_vxlan(Message &message, const VxlanOptions &options);
// The same of some options alone: rows of attach_options() that the kernel has.
void put_vxlan(Message &message, const VxlanOptions &options,
               std::span<const AttachOption *const> rows);

} // namespace xvtep
