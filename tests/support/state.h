// SPDX-License-Identifier: GPL-2.0-only
// All that xvtep may have changed in a network namespace, as lines to compare.
#pragma once

#include <string>

namespace xvtep::test {

// What is in the namespace `host`, and of the device eth0 in the namespace `container` ("": none).
// What is another each time (indexes, counters, ages) is left out, and so is which programs are
// loaded: they stay after the first need of them. Throws std::runtime_error.
std::string state_of(const std::string &host, const std::string &container);

} // namespace xvtep::test
