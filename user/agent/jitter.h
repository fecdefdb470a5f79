// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>

namespace xvtep::agent {

// A random time from `low` to `high`, so that many hosts, or many look-ups, do not retry at once.
std::chrono::milliseconds random_between(std::chrono::milliseconds low,
                                         std::chrono::milliseconds high);

} // namespace xvtep::agent
