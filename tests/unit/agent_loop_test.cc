// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

struct Pipe {
    std::array<int, 2> ends{-1, -1};
    Pipe() { EXPECT_EQ(::pipe(ends.data()), 0); }
    void write() const { EXPECT_EQ(::write(ends[1], "x", 1), 1); }
};

TEST(Loop, RunsTimersInTheirOrder)
{
    auto loop = std::move(*Loop::make());
    std::vector<int> ran;
    loop.after(4ms, [&] { ran.push_back(2); });
    loop.after(1ms, [&] { ran.push_back(1); });
    const auto never = loop.after(2ms, [&] { ran.push_back(9); });
    loop.cancel(never);
    loop.cancel(never);
    loop.after(6ms, [&] { loop.stop(); });
    loop.after(1h, [&] { ran.push_back(9); });
    loop.run();
    EXPECT_EQ(ran, (std::vector{1, 2}));
}

TEST(Loop, ADescriptorForgottenInACallbackIsNotCalled)
{
    auto loop = std::move(*Loop::make());
    const Pipe one, two;
    unsigned calls = 0;
    for (const auto &pipe : {one, two}) {
        pipe.write();
        loop.watch(pipe.ends[0], EPOLLIN, [&](std::uint32_t) {
            calls++;
            loop.forget(one.ends[0]);
            loop.forget(two.ends[0]);
        });
    }
    loop.run(Loop::Clock::now() + 5ms);
    EXPECT_EQ(calls, 1U);
}

// Commands come and go within one round of events: numbers are used again.
TEST(Loop, AnEventIsNotForTheNextOwnerOfItsNumber)
{
    auto loop = std::move(*Loop::make());
    const Pipe one, two;
    unsigned stale = 0;
    for (const auto &pipe : {one, two}) {
        pipe.write();
        loop.watch(pipe.ends[0], EPOLLIN, [&](std::uint32_t) {
            loop.forget(one.ends[0]);
            loop.forget(two.ends[0]);
            for (const int number : {one.ends[0], two.ends[0]}) {
                const Pipe quiet; // with nothing to read
                ASSERT_GE(::dup2(quiet.ends[0], number), 0);
                loop.watch(number, EPOLLIN, [&](std::uint32_t) { stale++; });
            }
        });
    }
    loop.run(Loop::Clock::now() + 5ms);
    EXPECT_EQ(stale, 0U);
}

} // namespace
} // namespace xvtep::agent
