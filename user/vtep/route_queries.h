// SPDX-License-Identifier: GPL-2.0-only
// The programs ask the host's routing tables for next hops (bpf/fib.h). The kernel answers only for
// a device that forwards, and the programs name `lo`.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Switches forwarding of `lo` on, where it is off, and notes whether rules look at source
// addresses. Where it stays off, flows are not spread over several next hops, and the kernel's
// device is asked more often: if a sysctl cannot be written, as in a container, and for IPv6 if the
// host has routes from router advertisements, which the kernel would remove.
// Errors: those of calls that may succeed the next time.
Result<> allow_route_queries(Session &session);
// Takes that back, unless the host forwards by now, or does not let the sysctls be written any
// more.
Result<> end_route_queries(const Session &session);

} // namespace xvtep
