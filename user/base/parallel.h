// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace xvtep {

// In how many parts `count` things are done at once, if it takes `worth` of them to make up for a
// thread's start.
inline std::size_t parts_of(std::size_t count, std::size_t worth)
{
    constexpr std::size_t most = 4;
    return std::clamp<std::size_t>(
        std::min<std::size_t>(count / worth, std::thread::hardware_concurrency()), 1, most);
}

// work(part, from, to) for each part of `count` things, side by side; returns when all are done.
// `work` does not throw.
template <class Work> void side_by_side(std::size_t count, std::size_t parts, const Work &work)
{
    const auto run = [&](std::size_t part) {
        work(part, count * part / parts, count * (part + 1) / parts);
    };
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; part++)
        try {
            others.emplace_back(run, part);
        } catch (const std::system_error &) { // no more threads for this user
            run(part);
        }
    run(0);
}

} // namespace xvtep
