// SPDX-License-Identifier: GPL-2.0-only
// Taking down, whole or in part: used by detach, by attach's undo, and after kill -9.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Puts right what a killed command, a removed device or a dead namespace left behind. What is
// whole is not touched, and nothing is removed where it could not be looked at: then it fails.
Result<> repair(Session &session);

// Each may be called on what is half made; what is gone already is fine. Where one fails, the
// tables still say what is left, and the next repair goes on with it.
Result<> remove_vtep(Session &session, const xv_vtep &vtep);
Result<> remove_port(Session &session, int ifindex);
Result<> release_unused_underlays(Session &session);
Result<> release_empty_datapath(Session &session);

// What is to be removed may be gone already.
Result<> unless_gone(Result<> removed);

// Whether a port drops tags that no VNI is for.
Result<> mark_trunk(Session &session, __u32 ifindex, bool trunk);

// `local_addrs`, `vni_hints` and `dstports` follow from the VTEPs; this makes them so.
Result<> derive_lookups(Session &session);

} // namespace xvtep
