// SPDX-License-Identifier: GPL-2.0-only
// Slots number VTEPs, underlay ports and local ports: each has an element of the map `counters`,
// and a VTEP also one of the map `vteps`.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Returns a slot that nothing uses and that is not `promised`, and sets its counters to zero.
Result<__u32> free_slot(Session &session, __u32 promised = 0);

} // namespace xvtep
