// SPDX-License-Identifier: GPL-2.0-only
// Attaches the programs of VTEPs' own devices: to shared blocks, or, where a device has a clsact
// qdisc of somebody else or the kernel has no shared blocks, as to other devices.
#pragma once

#include "user/datapath/tc_block.h"
#include "user/vtep/session.h"

namespace xvtep {

// Attaches the pinned programs to the device of a VTEP, to which no program of ours is attached.
// Returns the blocks that have them, or nothing if they are attached to this device alone.
Result<std::optional<BlockPair>> attach_device_programs(Session &session, const Link &device);

} // namespace xvtep
