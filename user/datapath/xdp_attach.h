// SPDX-License-Identifier: GPL-2.0-only
// XDP programs on devices, through libxdp: beside others' programs where the kernel can load its
// dispatcher, alone otherwise.
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/datapath/datapath.h"

namespace xvtep {

struct XdpPlace {
    std::string directory; // of the namespace's state
    int ifindex = 0;
    bool generic = false; // skb mode
    std::string device;   // for errors
};

Result<> attach_xdp(const XdpPlace &place, Program program);

// Atomically: no frame passes without a program.
Result<> replace_xdp(const XdpPlace &place, Program program, int loaded_fd);

// Takes our programs off; others' stay. Nothing there is fine.
Result<> detach_xdp(int ifindex);

[[nodiscard]] Result<bool> is_xdp_attached(int ifindex); // one of ours

} // namespace xvtep
