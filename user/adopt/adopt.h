// SPDX-License-Identifier: GPL-2.0-only
// `xvtep adopt`: a fast path for vxlan devices that exist, and that other software controls.
// docs/adopt.md has the design.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"

namespace xvtep::adopt {

struct Request {
    std::vector<std::string> devices;   // by name; none: with `all`
    bool all = false;                   // also those that are made later
    std::vector<std::string> underlays; // the only underlay ports; none: those that routes lead to
    bool udpcsum = false;               // send outer UDP checksums where the device does
};

// Serves the calling thread's namespace until SIGINT or SIGTERM. A normal end, and a kill, leave
// nothing behind.
//
// Errors: EBUSY: another service serves the namespace.
Result<> serve(const Request &request);

} // namespace xvtep::adopt
