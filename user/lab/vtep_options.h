// SPDX-License-Identifier: GPL-2.0-only
// The options of a VTEP: how they are read from JSON, and what they are at the kernel's device.
#pragma once

#include "user/lab/json_reader.h"
#include "user/net/netlink.h"
#include "xvtep/vtep.h"

namespace xvtep {

// Takes the keys that are called as `xvtep attach` calls the options, and "devices".
void read_vtep_options(JsonObject &json, AttachRequest &request);

// The options of a kernel's vxlan device that does the same. `lower`: the underlay's ifindex.
VxlanOptions kernel_options(const AttachRequest &request, int lower);

} // namespace xvtep
