// SPDX-License-Identifier: GPL-2.0-only
// Who listens for misses: a place in the map `listeners`, its bit in `listener_mask`, and a
// directory
//
//   /sys/fs/bpf/xvtep/<namespace cookie>/listeners/<n>
//
// that the listener holds locked for as long as it lives.
#pragma once

#include <optional>
#include <string>

#include "user/base/fd.h"
#include "user/vtep/session.h"

namespace xvtep {

struct ListenerPlace {
    __u32 index = 0;
    Fd directory; // locked
};

// Needs the lock. `ring`: a ring buffer map.
Result<ListenerPlace> add_listener(Session &session, int ring);
Result<> remove_listener(Session &session, __u32 index);

// Frees the places of listeners that have died.
Result<> remove_dead_listeners(Session &session);

} // namespace xvtep
