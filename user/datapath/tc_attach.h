// SPDX-License-Identifier: GPL-2.0-only
// TC programs on devices: pinned TCX links since Linux 6.6, filters on clsact before.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/datapath/programs.h"

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

// Whether detach_tc() also removes the clsact qdisc of the device if nothing else uses it.
enum class Clsact { kept, removed_if_unused };

// Only a qdisc that attach_tc() has made is to be removed.
constexpr Clsact clsact_after(bool made_clsact)
{
    return made_clsact ? Clsact::removed_if_unused : Clsact::kept;
}

// Detaches our program. Succeeds if the device is gone.
Result<> detach_tc(const TcPlace &place, Clsact clsact);

// Removes the pin of a device that is gone, if there is one.
Result<> forget_tc(const TcPlace &place);

[[nodiscard]] Result<bool> is_tc_attached(const TcPlace &place);

// Opens the program that attach_tc() has attached, or returns an empty Fd if there is none. Needs
// CAP_SYS_ADMIN.
[[nodiscard]] Result<Fd> attached_tc_program(const TcPlace &place);

// The same for one program. The kernel keeps only the first 15 characters of a program's name,
// which the ingress and the egress program of a device share: the hook tells them apart. Needs
// CAP_SYS_ADMIN.
[[nodiscard]] Result<bool> is_tc_attached(const TcPlace &place, Program program);

// Returns every TCX link that is pinned in `directory`.
struct PinnedLink {
    int ifindex;
    Hook hook;
    bool dead; // its device is gone
};
Result<std::vector<PinnedLink>> pinned_links(const std::string &directory);

} // namespace xvtep
