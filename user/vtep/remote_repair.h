// SPDX-License-Identifier: GPL-2.0-only
// Puts the table of remote VTEPs right after a command was killed while it changed entries.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Counts the references of all remotes again, and frees those that were left half made or half
// freed. Does nothing if no command was killed there. Needs the lock.
Result<> repair_remotes(const Session &session);

// Counts the references of all remotes again, and frees those that have none.
Result<> count_references_again(const Session &session);

} // namespace xvtep
