// SPDX-License-Identifier: GPL-2.0-only
// Taking down, whole or in part: used by detach, by attach's undo, and after kill -9.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Puts right what a killed command, a removed device or a dead namespace left behind. What is
// whole is not touched.
Result<> repair(Session &session);

// Each may be called on what is half made. They do not fail: what is gone already is fine.
void remove_vtep(Session &session, const xv_vtep &vtep);
void remove_port(Session &session, int ifindex);
void release_unused_underlays(Session &session);
void release_empty_datapath(Session &session);

// `locals`, `vni_hints` and `dstports` follow from the VTEPs; this makes them so.
void derive_lookups(Session &session);

} // namespace xvtep
