// SPDX-License-Identifier: GPL-2.0-only
// Taking down, whole or in part: used by detach, by attach's undo, and by recover().
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Each may be called on what is half made; what is gone already is fine. Where one fails, the
// tables still say what is left, and the next recover() goes on with it.
Result<> remove_vtep(Session &session, const xv_vtep &vtep);
Result<> remove_port(Session &session, int ifindex);
Result<> release_unused_underlays(Session &session);
Result<> release_empty_datapath(Session &session);

// What is to be removed may be gone already.
Result<> unless_gone(Result<> removed);

} // namespace xvtep
