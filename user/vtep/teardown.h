// SPDX-License-Identifier: GPL-2.0-only
// Takes VTEPs and ports down, for detach, for the undo steps of attach, and for recover().
#pragma once

#include <span>

#include "user/vtep/session.h"

namespace xvtep {

// These functions also take down what is incomplete. If one fails, the tables still describe what
// is left, and the next recover() continues with it.
Result<> remove_vteps(Session &session, std::span<const xv_vtep> vteps);
Result<> remove_port(Session &session, int ifindex);
Result<> release_unused_underlays(Session &session);
Result<> release_empty_datapath(Session &session);

// Turns ENODEV into success: what is to be removed is gone already.
Result<> unless_gone(Result<> removed);

} // namespace xvtep
