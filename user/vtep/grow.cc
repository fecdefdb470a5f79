// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/grow.h"

#include <fmt/format.h>

#include "user/vtep/migrate.h"

namespace xvtep {

Result<> grow(Session &session, __u32 Sizes::*kind, __u32 wanted)
{
    const auto larger = grown(session.tables->sizes(), kind, wanted);
    if (!larger)
        return session.refused(
            fmt::format("the table is full ({} entries, the most)", largest_sizes.*kind), ENOSPC);
    TRY(check_privileges(session.operation, session.object, Privilege::load));
    return session.wrap(replace_maps(session, *larger));
}

} // namespace xvtep
