// SPDX-License-Identifier: GPL-2.0-only
// The programs ask the host's routing tables for next hops (bpf/fib.h). The kernel answers only for
// a device that forwards, and the programs name `lo`.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Switches forwarding of `lo` on, where it is off. Without it (a container may not write sysctls)
// flows are not spread over several next hops, and the kernel's device is asked more often.
void allow_route_queries(const Session &session);
// Takes that back.
void end_route_queries(const Session &session);

} // namespace xvtep
