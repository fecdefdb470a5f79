// SPDX-License-Identifier: GPL-2.0-only
// The clock of the time stamps in the tables.
#pragma once

#include <time.h>

#include <cstdint>

namespace xvtep {

constexpr std::uint64_t second = 1'000'000'000;

inline std::uint64_t monotonic() // ns
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * second +
           static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t seconds_ago(std::uint64_t stamp, std::uint64_t now)
{
    return stamp < now ? (now - stamp) / second : 0;
}

} // namespace xvtep
