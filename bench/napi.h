// SPDX-License-Identifier: GPL-2.0-only
// Which core receives a device's packets.
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep::bench {

// From now on a thread of its own receives for the device, on that core.
Result<> receive_on(const std::string &netns, const std::string &device, int core);

} // namespace xvtep::bench
