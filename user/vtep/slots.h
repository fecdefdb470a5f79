// SPDX-License-Identifier: GPL-2.0-only
// Slots: a VTEP, an underlay port and a local port have one each in `counters`, a VTEP also in
// `vteps`.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// A slot that nothing uses, nor is `promised`; its counters at zero.
Result<__u32> free_slot(Session &session, __u32 promised = 0);

} // namespace xvtep
