// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/jitter.h"

#include <random>

namespace xvtep::agent {

std::chrono::milliseconds random_between(std::chrono::milliseconds low,
                                         std::chrono::milliseconds high)
{
    thread_local std::minstd_rand generator(std::random_device{}());
    return std::chrono::milliseconds(
        std::uniform_int_distribution<std::int64_t>(low.count(), high.count())(generator));
}

} // namespace xvtep::agent
