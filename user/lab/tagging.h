// SPDX-License-Identifier: GPL-2.0-only
// VLAN access ports, on kernels without 8021q devices and VLAN-aware bridges too.
#pragma once

#include <cstdint>

#include "user/base/result.h"

namespace xvtep {

// In the calling thread's namespace: what comes in by `device` leaves by `trunk` with the tag, and
// what comes in by `trunk` with it leaves by `device` without. Goes with the devices.
Result<> tie_vlan(int device, int trunk, std::uint16_t vlan);

} // namespace xvtep
