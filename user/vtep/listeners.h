// SPDX-License-Identifier: GPL-2.0-only
// The listeners for misses. Each has an entry in the map `listeners`, a bit in `listener_mask`, and
// a directory
//
//   /sys/fs/bpf/xvtep/<namespace cookie>/listeners/<n>
//
// that it keeps locked as long as it lives.
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

// The caller holds the lock of the session. `ring` is a ring buffer map.
Result<ListenerPlace> add_listener(Session &session, int ring);
Result<> remove_listener(Session &session, __u32 index);

// Removes listeners whose process has ended.
Result<> remove_dead_listeners(Session &session);

} // namespace xvtep
