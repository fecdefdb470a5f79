// SPDX-License-Identifier: GPL-2.0-only
// Derived table entries: the lookup tables of the programs, and the trunk flag of ports.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Whether `vnis` has the VTEP: attach is past its commit, and detach has not begun.
Result<bool> is_committed(const Session &session, const xv_vtep &vtep);

// Writes `local_addrs`, `vni_hints` and `dstports` anew from the VTEPs.
Result<> derive_lookups(Session &session);

// Does the same for one more VTEP, which is committed.
Result<> add_lookups(const Session &session, const xv_vtep &vtep);

// Marks the port as a trunk, which drops frames of VLANs that have no VNI, or removes the mark.
Result<> mark_trunk(Session &session, __u32 ifindex);
Result<> unmark_trunk(Session &session, __u32 ifindex);

} // namespace xvtep
