// SPDX-License-Identifier: GPL-2.0-only
// The cache, the negative cache, and the memory of moved IPs.
#include "user/agent/cache.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_values.h"
#include "user/agent/ip_moves.h"
#include "user/agent/negative_cache.h"

namespace xvtep::agent {

// For EXPECT_EQ.
static bool operator==(const Change &one, const Change &other)
{
    return one.key == other.key && one.record == other.record;
}

namespace {

using namespace std::chrono_literals;
using Time = Timers::Time;
using Changes = Cache::Changes;

constexpr Time start{1h};

TEST(AgentCache, AnIpsRecordAlsoGivesTheMac)
{
    Cache cache;
    EXPECT_EQ(cache.store(ip_key(1), with_ip(7, 1, 2), start),
              (Changes{{ip_key(1), with_ip(7, 1, 2)}}));
    EXPECT_TRUE(cache.contains(ip_key(1)));
    EXPECT_TRUE(cache.contains(mac_key(7)));
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_EQ(cache.sources(), (std::set{ip_key(1)})) << "the MAC was not looked up";
    EXPECT_FALSE(cache.is_source(mac_key(7)));
    EXPECT_EQ(cache.rewrite(mac_key(7), start), (Change{mac_key(7), record(7, 2)}));
    EXPECT_FALSE(cache.rewrite(ip_key(2), start));
}

TEST(AgentCache, AMacGoesWithTheLastKeyThatNamesIt)
{
    Cache cache;
    cache.store(ip_key(1), with_ip(7, 1, 2), start);
    cache.store(ip_key(2), with_ip(7, 2, 2), start);
    EXPECT_EQ(cache.remove(ip_key(1)), (Changes{{ip_key(1), std::nullopt}}));
    EXPECT_TRUE(cache.remove(ip_key(1)).empty());
    EXPECT_EQ(cache.remove(ip_key(2)),
              (Changes{{ip_key(2), std::nullopt}, {mac_key(7), std::nullopt}}));
    EXPECT_EQ(cache.size(), 0U);

    cache.store(ip_key(1), with_ip(7, 1, 2), start);
    EXPECT_TRUE(cache.remove(mac_key(7)).empty()) << "the IP still names it";
    EXPECT_EQ(cache.size(), 2U);
}

TEST(AgentCache, AnIpThatChangesItsMacReleasesTheOldOne)
{
    Cache cache;
    cache.store(ip_key(1), with_ip(7, 1, 2), start);
    EXPECT_EQ(cache.store(ip_key(1), with_ip(8, 1, 3), start),
              (Changes{{mac_key(7), std::nullopt}, {ip_key(1), with_ip(8, 1, 3)}}));
    EXPECT_EQ(cache.size(), 2U);
}

TEST(AgentCache, AnIpIsWhereItsMacIs)
{
    Cache cache;
    cache.store(ip_key(1), with_ip(7, 1, 2), start);
    cache.store(mac_key(7), record(7, 3), start);
    EXPECT_EQ(cache.rewrite(ip_key(1), start), (Change{ip_key(1), with_ip(7, 1, 3)}));
}

TEST(AgentCache, WhatHasComeHereGoesWithItsMac)
{
    Cache cache;
    cache.store(ip_key(1), with_ip(7, 1, 2), start);
    cache.store(ip_key(2), with_ip(7, 2, 2), start);
    EXPECT_EQ(cache.remove_with_mac(ip_key(1), with_ip(7, 1, 9)),
              (Changes{{ip_key(1), std::nullopt}, {mac_key(7), std::nullopt}}));
}

TEST(AgentCache, ForgetsVnisThatAreGone)
{
    Cache cache;
    cache.store(mac_key(7), record(7, 2), start);
    cache.keep_only({42, 43});
    EXPECT_EQ(cache.size(), 1U);
    cache.keep_only({43});
    EXPECT_EQ(cache.size(), 0U);
}

FdbEntry entry(unsigned n, std::uint64_t used, std::uint64_t updated)
{
    FdbEntry made;
    made.mac = mac(n);
    made.dst = vtep(2);
    made.state = FdbState::dynamic;
    made.used = used;
    made.updated = updated;
    return made;
}

class AgentCacheExpiry : public ::testing::Test {
  protected:
    AgentCacheExpiry()
    {
        vtep_.vni = 42;
        vtep_.ageing = 300;
        vtep_.reachable_time = 30;
    }
    void there(const FdbEntry &one) { tables_.fdb[one.mac] = one; }
    std::vector<Key> expire(Time read = start + 1s) { return cache_.expire(vtep_, tables_, read); }

    VtepInfo vtep_;
    TableCopy tables_;
    Cache cache_;
};

TEST_F(AgentCacheExpiry, RenewsWhatIsOldAndInUse)
{
    for (unsigned n = 1; n <= 3; n++)
        cache_.store(mac_key(n), record(n, 2), start);
    there(entry(1, 0, 150));   // in use, half its time
    there(entry(2, 0, 149));   // in use, younger
    there(entry(3, 150, 150)); // not in use
    EXPECT_EQ(expire(), (std::vector{mac_key(1)}));
    EXPECT_EQ(cache_.size(), 3U);
    vtep_.ageing = 0;
    EXPECT_TRUE(expire().empty()) << "entries do not expire";
}

TEST_F(AgentCacheExpiry, ANeighbourHasItsOwnLifetime)
{
    cache_.store(ip_key(1), with_ip(7, 1, 2), start);
    there(entry(7, 0, 20));
    tables_.neighbours[ip(1)] = 14;
    EXPECT_TRUE(expire().empty());
    tables_.neighbours[ip(1)] = 15;
    EXPECT_EQ(expire(), (std::vector{ip_key(1)}));
}

TEST_F(AgentCacheExpiry, ForgetsWhatIsNotTheAgentsAnyMore)
{
    for (unsigned n = 1; n <= 3; n++)
        cache_.store(mac_key(n), record(n, 2), start);
    cache_.store(ip_key(4), with_ip(4, 4, 2), start);
    auto learned = entry(1, 0, 10), permanent = entry(2, 0, 10);
    learned.learned = true;
    permanent.state = FdbState::permanent;
    there(learned);
    there(permanent);
    there(entry(3, 0, 10));
    expire();
    EXPECT_EQ(cache_.sources(), (std::set{mac_key(3)})) << "4's IP goes with its MAC";
    EXPECT_EQ(cache_.size(), 1U);
}

TEST_F(AgentCacheExpiry, WhatWasWrittenSinceTheReadHasNotExpired)
{
    cache_.store(mac_key(1), record(1, 2), start + 1s);
    expire(start + 1s);
    EXPECT_TRUE(cache_.contains(mac_key(1)));
    expire(start + 2s);
    EXPECT_FALSE(cache_.contains(mac_key(1)));
}

TEST_F(AgentCacheExpiry, AdoptsDynamicEntriesAndTheirNeighbours)
{
    auto learned = entry(2, 0, 10), permanent = entry(3, 0, 10), fallback = entry(0, 0, 10);
    learned.learned = true;
    permanent.state = FdbState::permanent;
    fallback.mac = Mac{};
    cache_.adopt(42, {entry(1, 0, 10), learned, permanent, fallback},
                 {{ip(1), "vxlan0", mac(1), NeighState::reachable, 0},
                  {ip(2), "vxlan0", mac(2), NeighState::reachable, 0},
                  {ip(3), "vxlan0", mac(1), NeighState::permanent, 0}});
    EXPECT_EQ(cache_.sources(), (std::set{mac_key(1), ip_key(1)}));
    EXPECT_EQ(cache_.size(), 2U);
    EXPECT_TRUE(cache_.remove(mac_key(1)).empty()) << "its IP keeps it";
    EXPECT_EQ(cache_.remove(ip_key(1)),
              (Changes{{ip_key(1), std::nullopt}, {mac_key(1), std::nullopt}}));
}

TEST(AgentNegativeCache, SuppressesForAWhile)
{
    NegativeCache negative({.absent_for = 2s, .refused_for = 10s});
    EXPECT_FALSE(negative.suppresses(mac_key(1), start));
    negative.add_absent(mac_key(1), start);
    negative.add_refused(mac_key(2), start);
    negative.add_awaited(mac_key(3), start);
    EXPECT_TRUE(negative.suppresses(mac_key(1), start + 1999ms));
    EXPECT_FALSE(negative.suppresses(mac_key(1), start + 2s));
    EXPECT_TRUE(negative.suppresses(mac_key(2), start + 9s));
    EXPECT_FALSE(negative.suppresses(mac_key(3), start));
    negative.clear();
    EXPECT_FALSE(negative.suppresses(mac_key(2), start));
}

TEST(AgentNegativeCache, KnowsWhatIsAwaited)
{
    NegativeCache negative({.absent_for = 2s, .awaited_for = 5s});
    for (unsigned n = 1; n <= 3; n++)
        negative.add_absent(mac_key(n), start);
    EXPECT_FALSE(negative.remove(mac_key(9), start));
    EXPECT_TRUE(negative.remove(mac_key(1), start + 4s));
    EXPECT_FALSE(negative.remove(mac_key(1), start + 4s)) << "forgotten";
    EXPECT_FALSE(negative.remove(mac_key(2), start + 5s));
    EXPECT_TRUE(negative.suppresses(mac_key(3), start + 1s)); // somebody asks once more
    negative.forget_old(start + 5s);
    EXPECT_TRUE(negative.remove(mac_key(3), start + 5s));
    negative.add_absent(mac_key(4), start);
    negative.forget_old(start + 5s);
    EXPECT_FALSE(negative.remove(mac_key(4), start));
}

TEST(AgentNegativeCache, IsBounded)
{
    NegativeCache negative({.most = 2});
    for (unsigned n = 1; n <= 3; n++)
        negative.add_absent(mac_key(n), start);
    EXPECT_FALSE(negative.suppresses(mac_key(1), start));
    EXPECT_TRUE(negative.suppresses(mac_key(3), start));
    negative.keep_only({43});
    EXPECT_FALSE(negative.suppresses(mac_key(3), start));
}

TEST(AgentIpMoves, AreNoticedOnce)
{
    IpMoves moves(2);
    EXPECT_FALSE(moves.note(ip_key(1), mac(7))) << "new";
    EXPECT_FALSE(moves.note(ip_key(1), mac(7))) << "the same";
    EXPECT_TRUE(moves.would_move(ip_key(1), mac(8)));
    EXPECT_TRUE(moves.note(ip_key(1), mac(8)));
    EXPECT_FALSE(moves.note(ip_key(1), mac(8)));
    EXPECT_FALSE(moves.would_move(ip_key(1), mac(8)));
    EXPECT_FALSE(moves.would_move(ip_key(2), mac(8))) << "unknown";
    moves.note(ip_key(2), mac(9));
    moves.note(ip_key(3), mac(9)); // too many: all are forgotten
    EXPECT_FALSE(moves.note(ip_key(1), mac(7)));
    moves.keep_only({43});
    EXPECT_FALSE(moves.would_move(ip_key(1), mac(9)));
}

} // namespace
} // namespace xvtep::agent
