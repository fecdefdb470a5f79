// SPDX-License-Identifier: GPL-2.0-only
// Table entries that follow from others: the lookup tables of the programs and the trunk flag.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Whether `vnis` leads to the VTEP: attach has come that far, and detach has not begun.
Result<bool> is_committed(const Session &session, const xv_vtep &vtep);

// `local_addrs`, `vni_hints` and `dstports` follow from the VTEPs; this makes them so.
Result<> derive_lookups(Session &session);

// Whether a port drops tags that no VNI is for.
Result<> mark_trunk(Session &session, __u32 ifindex, bool trunk);

} // namespace xvtep
