// SPDX-License-Identifier: GPL-2.0-only
// Slots number VTEPs, underlay ports and local ports: each has an element of the map `counters`,
// and a VTEP also one of the map `vteps`.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Returns a slot that nothing uses, and sets its counters to zero. A session, and so a batch, reads
// once which are in use.
Result<__u32> free_slot(Session &session);
// Says that the slot can be used again.
void give_back_slot(Session &session, __u32 slot);

} // namespace xvtep
