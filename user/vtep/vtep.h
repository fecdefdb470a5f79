// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <vector>

#include "user/vtep/device.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

// Returns what `show` says of a VTEP, but for its problems. `links` has at least its device, if
// that is here, its underlay ports and its bridge, in the order of their indexes. `moved`: where
// the device is, if it is known and not here.
Result<VtepInfo> describe(const Session &session, const xv_vtep &vtep,
                          const std::vector<Link> &links, const MovedDevice *moved = nullptr);

} // namespace xvtep
