// SPDX-License-Identifier: GPL-2.0-only
// XDP programs on devices, attached by libxdp: beside the programs of others if the kernel can load
// libxdp's dispatcher, and else alone.
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/datapath/programs.h"

namespace xvtep {

struct XdpPlace {
    std::string maps; // the directory where the maps are pinned that the program uses
    int ifindex = 0;
    bool generic = false; // skb mode
    std::string device;   // for errors
};

Result<> attach_xdp(const XdpPlace &place, Program program);

// Replaces our program, or attaches it if it is missing. No frame passes without a program.
Result<> replace_xdp(const XdpPlace &place, Program program, int loaded_fd);

// Detaches our programs and leaves those of others. Succeeds if none of ours is attached.
Result<> detach_xdp(int ifindex);

[[nodiscard]] Result<bool> is_xdp_attached(int ifindex); // one of ours

} // namespace xvtep
