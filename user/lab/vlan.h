// SPDX-License-Identifier: GPL-2.0-only
// VLAN access ports, which need neither 8021q devices nor VLAN-aware bridges of the kernel.
#pragma once

#include <cstdint>

#include "user/base/result.h"

namespace xvtep {

// In the calling thread's namespace, by ifindex: frames that come in by `device` leave by `trunk`
// with the tag, frames that come in by `trunk` with that tag leave by `device` without it. Lasts as
// long as the devices.
Result<> connect_vlan(int device, int trunk, std::uint16_t vlan);

} // namespace xvtep
