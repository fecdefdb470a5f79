// SPDX-License-Identifier: GPL-2.0-only
// Hosts that wait for an answer, and hosts that are told of a move.
#include <gtest/gtest.h>

#include "tests/unit/agent_fake_timers.h"
#include "user/agent/arp_requesters.h"
#include "user/agent/move_announcer.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

Mac mac(unsigned n)
{
    return Mac{{2, 0, 0, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
}
Key key(unsigned n)
{
    return {42, Ip::v4(n << 24 | 10)};
}
ArpRequester requester(unsigned n, int port = 3)
{
    return {port, 0, mac(n), Ip::v4(n)};
}

TEST(AgentArpRequesters, AreAnsweredOnceAndNotTooLate)
{
    FakeTimers timers;
    ArpRequesters requesters(timers);
    requesters.add(key(1), requester(1));
    timers.advance(3s);
    requesters.add(key(1), requester(2));
    requesters.add(key(1), requester(2)); // asks again
    requesters.add(key(2), requester(1));
    timers.advance(3s);
    EXPECT_EQ(requesters.take(key(1)), (std::vector{requester(2)})) << "1 has given up";
    EXPECT_TRUE(requesters.take(key(1)).empty());
    EXPECT_TRUE(requesters.take(key(3)).empty());
    EXPECT_EQ(requesters.take(key(2)), (std::vector{requester(1)}));
}

TEST(AgentArpRequesters, AreBoundedAtEachPort)
{
    FakeTimers timers;
    ArpRequesters requesters(timers);
    for (unsigned n = 0; n < 600; n++)
        requesters.add(key(1), requester(n));
    requesters.add(key(1), requester(1000, 4));
    EXPECT_EQ(requesters.take(key(1)).size(), 513U);
    requesters.add(key(2), requester(1));
    EXPECT_TRUE(requesters.take(key(2)).empty()) << "counted until they are forgotten";
    requesters.forget_old();
    requesters.add(key(2), requester(1));
    EXPECT_EQ(requesters.take(key(2)).size(), 1U);
}

class AgentMoves : public ::testing::Test {
  protected:
    FakeTimers timers_;
    std::vector<std::pair<Key, Mac>> sent_;
    std::size_t frames_ = 1;
    MoveAnnouncer moves_{timers_, [this](const Key &ip, const Mac &to) {
                             sent_.emplace_back(ip, to);
                             return frames_;
                         }};
};

TEST_F(AgentMoves, AreToldTwice)
{
    moves_.moved(key(1), mac(7));
    EXPECT_TRUE(sent_.empty());
    timers_.advance(0ms);
    EXPECT_EQ(sent_, (std::vector{std::pair(key(1), mac(7))}));
    timers_.advance(900ms);
    EXPECT_EQ(sent_.size(), 1U);
    timers_.advance(200ms);
    EXPECT_EQ(sent_.size(), 2U);
    timers_.advance(5s);
    EXPECT_EQ(sent_.size(), 2U);
    EXPECT_EQ(timers_.waiting(), 0U);
}

TEST_F(AgentMoves, OfAnIpThatKeepsMovingAreToldOnceASecond)
{
    for (unsigned n = 0; n < 100; n++) {
        moves_.moved(key(1), mac(n));
        timers_.advance(10ms);
    }
    EXPECT_LE(sent_.size(), 2U);
    timers_.advance(5s);
    EXPECT_LE(sent_.size(), 4U);
    EXPECT_EQ(sent_.back().second, mac(99)) << "the last move is told";
}

TEST_F(AgentMoves, ThatHostsHaveHeardOfAreNotTold)
{
    moves_.moved(key(1), mac(7));
    moves_.moved(key(2), mac(8));
    moves_.heard(key(1));
    timers_.advance(3s);
    EXPECT_EQ(sent_, (std::vector(2, std::pair(key(2), mac(8)))));
}

TEST_F(AgentMoves, LeaveOthersATurn)
{
    frames_ = 100;
    for (unsigned n = 1; n <= 20; n++)
        moves_.moved(key(n), mac(n));
    timers_.advance(0ms);
    EXPECT_EQ(sent_.size(), 5U) << "500 frames";
    timers_.advance(10s);
    EXPECT_EQ(sent_.size(), 40U);
}

} // namespace
} // namespace xvtep::agent
