// SPDX-License-Identifier: GPL-2.0-only
// The bridge that a VTEP's device joins: attach makes one that does not exist, and detach removes
// it if nothing else uses it.
#pragma once

#include <set>
#include <string>
#include <vector>

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

// Of the links that join_bridge() has made, by ifindex, returns those that nobody uses by now: they
// have no ports, or only `leaving` ones (ifindexes), and no addresses.
Result<std::vector<int>> unused_bridges(Session &session, const std::vector<Link> &links,
                                        const std::set<int> &made, const std::set<int> &leaving);

} // namespace xvtep
