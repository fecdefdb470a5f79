// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace xvtep {

// Returns into how many parts to cut `count` things that are to be done in parallel, if a thread is
// worth its start from `worth` things on.
inline std::size_t parts_of(std::size_t count, std::size_t worth)
{
    constexpr std::size_t most = 4;
    return std::clamp<std::size_t>(
        std::min<std::size_t>(count / worth, std::thread::hardware_concurrency()), 1, most);
}

// Calls work(part, from, to) for each part of `count` things in parallel, and returns when all are
// done. `work` must not throw.
template <class Work> void side_by_side(std::size_t count, std::size_t parts, const Work &work)
{
    const auto run = [&](std::size_t part) {
        work(part, count * part / parts, count * (part + 1) / parts);
    };
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; part++)
        try {
            others.emplace_back(run, part);
        } catch (const std::system_error &) { // the user may start no more threads
            run(part);
        }
    run(0);
}

} // namespace xvtep
