// SPDX-License-Identifier: GPL-2.0-only
// The map `members`: for each VTEP its ports that no bridge serves, numbered without gaps.
#pragma once

#include <functional>

#include "user/vtep/session.h"

namespace xvtep {

Result<> add_member(Session &session, __u32 slot, const xv_member &member);
Result<> remove_members(Session &session,
                        const std::function<bool(__u32 slot, const xv_member &)> &which);

} // namespace xvtep
