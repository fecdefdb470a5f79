// SPDX-License-Identifier: GPL-2.0-only
// TC programs on devices: TCX links, pinned, where the kernel has them (6.6); clsact otherwise.
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

// Attaches, or atomically replaces what an earlier call attached. *made_clsact is set where a
// clsact qdisc had to be made for it (and left alone otherwise).
Result<> attach_tc(const TcPlace &place, int program_fd, bool *made_clsact);

// Takes our program off; `remove_clsact`: and the qdisc, if nothing else uses it. A device that is
// gone is fine.
Result<> detach_tc(const TcPlace &place, bool remove_clsact);

[[nodiscard]] Result<bool> is_tc_attached(const TcPlace &place);

// The name of what is attached; "" where nothing is. Needs CAP_SYS_ADMIN.
Result<std::string> attached_tc(const TcPlace &place);

// The (ifindex, hook) of every pinned TCX link in `directory`.
struct PinnedLink {
    int ifindex;
    Hook hook;
    bool dead; // its device is gone
};
Result<std::vector<PinnedLink>> pinned_links(const std::string &directory);

} // namespace xvtep
