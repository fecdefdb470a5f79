// SPDX-License-Identifier: GPL-2.0-only
// The bridge that a VTEP's device joins: attach makes one that does not exist, and detach removes
// it if nothing else uses it.
#pragma once

#include <string>

#include "user/base/undo.h"
#include "user/vtep/session.h"

namespace xvtep {

struct JoinedBridge {
    int index = 0;
    bool made = false; // it did not exist
};

// Makes `device` (an ifindex) a port of the bridge, which is made where there is none: down, and in
// unfinished_group. Errors: EINVAL it is no bridge.
Result<JoinedBridge> join_bridge(Session &session, const std::string &bridge, int device,
                                 Undo &undo);

// Removes a bridge that join_bridge() made, unless it has ports or addresses by now.
Result<> remove_made_bridge(Session &session, int ifindex);

} // namespace xvtep
