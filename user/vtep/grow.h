// SPDX-License-Identifier: GPL-2.0-only
// Makes tables larger when they are full, by the command that fills them.
#pragma once

#include "user/datapath/sizes.h"
#include "user/vtep/session.h"

namespace xvtep {

// Makes the tables of this kind larger, at least `wanted`. The tables of the session are replaced
// (user/vtep/migrate.h).
//
// Errors: ENOSPC: they cannot grow so far.
Result<> grow(Session &session, __u32 Sizes::*kind, __u32 wanted = 0);

// Calls `write`; as long as it fails because a table of this kind is full, makes the table larger
// and calls again.
template <class Write>
auto growing(Session &session, __u32 Sizes::*kind, const Write &write) -> decltype(write())
{
    for (;;) {
        auto done = write();
        if (done || done.error().code != ENOSPC)
            return done;
        if (auto more = grow(session, kind); !more)
            return more.error().code == ENOSPC ? std::move(done)
                                               : decltype(write())(std::unexpected(more.error()));
    }
}

} // namespace xvtep
