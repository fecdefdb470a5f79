// SPDX-License-Identifier: GPL-2.0-only
// Replaces the maps of a namespace by others: larger ones, or those of this binary's layout. No
// packet is lost, and no entry:
//
//   next/ is made with the new maps, and filled (Carry::first)
//   the programs of all devices are replaced by ones that work on next/
//   what the old programs did until then is added (Carry::second)
//   next/ and maps/ change places, and next/ is removed
//
// If the command is killed, the next one finishes what has begun, or removes next/.
#pragma once

#include <optional>
#include <string>

#include "user/vtep/session.h"

namespace xvtep {

// Replaces maps of an older layout, as `operation`. Returns in how many places programs were
// replaced, or nothing if the maps have the layout of this binary, or there are none.
//
// Errors: EPROTO: the maps are of a newer layout, or of one that cannot be carried over.
Result<std::optional<unsigned>> migrate(const std::string &operation);

// Replaces the maps by maps of these sizes. `session` has a writer's lock; its tables are the new
// ones afterwards, and references to values of the old ones are void.
Result<> replace_maps(Session &session, const Sizes &sizes);

// For the next command after one that was killed. `session` has the lock and no tables yet.
Result<> finish_replacement(Session &session);

} // namespace xvtep
