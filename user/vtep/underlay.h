// SPDX-License-Identifier: GPL-2.0-only
// Underlay ports, and those of VTEPs for which none was given (XV_VTEP_ROUTED): the ports that
// routes lead to. No process watches the routes. A call that writes an entry or a remote attaches
// to the port of its route, and `reload` and `set` to those of all remotes. Until then, packets to
// a port that is not attached take the kernel's path.
#pragma once

#include <vector>

#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

// Attaches programs to the port, unless it is an underlay port already. After an error,
// release_unused_underlays() takes back what was done.
Result<> attach_underlay(Session &session, const Link &port, Mode mode);

// Returns the ports that the route to the remote leads to, and those that have the local address.
// Errors: ENODEV there is none.
Result<std::vector<Link>> ports_of_routes(Session &session, const AttachRequest &request);

// Attaches the VTEP to the port that the route to the address leads to, if none was given to it. It
// is no error if there is no such route or the port cannot be attached: `show` says so.
void follow_route(Session &session, const xv_vtep &vtep, const Ip &to);

// The same for all remotes of the VTEP, or of a device's; forgets ports that are gone.
void follow_routes(Session &session, const xv_vtep &record);

// Returns the ports, by ifindex, that routes to the VTEP's remotes lead to and that are not
// attached.
Result<std::vector<int>> unattached_ports(Session &session, const xv_vtep &record);

} // namespace xvtep
