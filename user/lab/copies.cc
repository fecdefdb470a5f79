// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/copies.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "user/lab/waiting.h"

namespace xvtep {

namespace {

constexpr std::chrono::milliseconds frame_timeout{2000};
constexpr std::chrono::milliseconds quiet_time{100};

} // namespace

std::string text_of(const Copies &copies)
{
    std::string text;
    for (const auto &[where, count] : copies)
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, where);
    return text.empty() ? "none" : text;
}

bool wait_for_copies(const Copies &wanted, const std::function<Copies &()> &seen)
{
    const auto deadline = std::chrono::steady_clock::now() + frame_timeout;
    while (seen() != wanted && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(poll_interval);
    std::this_thread::sleep_for(quiet_time);
    return seen() == wanted;
}

} // namespace xvtep
