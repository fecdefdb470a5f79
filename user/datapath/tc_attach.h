// SPDX-License-Identifier: GPL-2.0-only
// TC programs on devices: pinned TCX links since Linux 6.6, filters on clsact before.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"

namespace xvtep {

enum class Hook { ingress, egress };

struct TcPlace {
    std::string directory; // of the namespace's state
    int ifindex = 0;
    Hook hook = Hook::ingress;
    std::string device; // for errors
};

// Attaches a program, or atomically replaces the one that an earlier call attached. Sets
// *made_clsact to true if it had to make a clsact qdisc, and else leaves it alone.
Result<> attach_tc(const TcPlace &place, int program_fd, bool *made_clsact);

// Detaches our program and, with `remove_clsact`, removes the qdisc if nothing else uses it.
// Succeeds if the device is gone.
Result<> detach_tc(const TcPlace &place, bool remove_clsact);

[[nodiscard]] Result<bool> is_tc_attached(const TcPlace &place);

// Returns the name of our attached program, or "". Needs CAP_SYS_ADMIN.
Result<std::string> attached_tc(const TcPlace &place);

// Returns every TCX link that is pinned in `directory`.
struct PinnedLink {
    int ifindex;
    Hook hook;
    bool dead; // its device is gone
};
Result<std::vector<PinnedLink>> pinned_links(const std::string &directory);

} // namespace xvtep
