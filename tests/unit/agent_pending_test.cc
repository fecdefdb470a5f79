// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/pending.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/agent_fake_timers.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;
using Time = Timers::Time;

Key key(unsigned n, std::uint32_t vni = 42)
{
    return {vni, Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}}};
}
const Record found{42, *Mac::parse("02:00:00:00:00:01"), {}, *Ip::parse("192.0.2.1"), 0};

struct FakeDirectory : Directory {
    std::vector<std::pair<Key, std::function<void(Answer)>>> asked;

    void look_up(const Key &of, std::function<void(Answer)> done) override
    {
        asked.emplace_back(of, std::move(done));
    }
    void announce(const std::set<Record> &) override {}
    void watch(const std::set<std::uint32_t> &) override {}
    [[nodiscard]] bool watches() const override { return true; }
    [[nodiscard]] std::string name() const override { return "fake"; }

    void answer(std::size_t n, Answer answer) { asked.at(n).second(std::move(answer)); }
    void fail(std::size_t n) { answer(n, system_failure("ask", "it", "no", ETIMEDOUT)); }
};

class AgentPending : public ::testing::Test, public PendingLookups::Client {
  protected:
    struct Ended {
        Key key;
        std::optional<Time> missed;
        bool found = false;
    };

    AgentPending() { make({}); }
    void make(LookupOptions options)
    {
        lookups_.emplace(timers_, metrics_, *this, options);
        lookups_->use(directory_);
    }
    [[nodiscard]] bool is_cached(const Key &one) const override { return cached_.contains(one); }
    void looked_up(const Key &one, std::optional<Time> missed,
                   const Directory::Answer &answer) override
    {
        ended_.push_back({one, missed, answer && *answer});
    }
    bool start(unsigned n, std::uint32_t vni = 42)
    {
        return lookups_->start(key(n, vni), timers_.now());
    }
    [[nodiscard]] std::vector<Key> asked() const
    {
        std::vector<Key> keys;
        for (const auto &[one, done] : directory_.asked)
            keys.push_back(one);
        return keys;
    }

    FakeTimers timers_;
    Metrics metrics_;
    FakeDirectory directory_;
    std::set<Key> cached_;
    std::vector<Ended> ended_;
    std::optional<PendingLookups> lookups_;
};

TEST_F(AgentPending, OneLookUpForEachKey)
{
    const auto first = timers_.now();
    EXPECT_FALSE(lookups_->join(key(1), first)) << "nothing is pending";
    EXPECT_TRUE(start(1));
    timers_.advance(1ms);
    EXPECT_TRUE(lookups_->join(key(1), timers_.now()));
    EXPECT_FALSE(lookups_->join(key(2), timers_.now()));
    EXPECT_EQ(directory_.asked.size(), 1U);
    EXPECT_EQ(metrics_.pending, 1U);
    directory_.answer(0, found);
    ASSERT_EQ(ended_.size(), 1U);
    EXPECT_TRUE(ended_[0].found);
    EXPECT_EQ(ended_[0].missed, first) << "the first miss, not the second";
    EXPECT_EQ(metrics_.pending, 0U);
    EXPECT_FALSE(lookups_->join(key(1), first));
}

TEST_F(AgentPending, BacksOffAndGivesUp)
{
    start(1);
    std::vector<std::chrono::milliseconds> pauses;
    while (directory_.asked.size() < 20) {
        const auto count = directory_.asked.size();
        const auto before = timers_.now();
        directory_.fail(count - 1);
        if (timers_.waiting() == 0)
            break;
        while (directory_.asked.size() == count)
            timers_.advance(1ms);
        pauses.push_back(
            std::chrono::duration_cast<std::chrono::milliseconds>(timers_.now() - before));
    }
    // 100, 200, 400, … up to 2000 ms, each and at most half of it more.
    ASSERT_GE(pauses.size(), 8U);
    for (std::size_t i = 0; i < pauses.size(); i++) {
        const auto least = std::min(100ms * (1 << i), 2000ms);
        EXPECT_GE(pauses[i], least);
        EXPECT_LE(pauses[i], least + least / 2 + 1ms);
    }
    EXPECT_EQ(metrics_.pending, 0U) << "after 15 s the look-up ends";
    EXPECT_TRUE(ended_.empty()) << "nobody knows";
    EXPECT_EQ(metrics_.failed, pauses.size() + 1);
}

TEST_F(AgentPending, ACachedKeyIsAskedForUntilSomebodyKnows)
{
    cached_ = {key(1)};
    lookups_->recheck({key(1)});
    for (int i = 0; i < 30; i++) {
        directory_.fail(directory_.asked.size() - 1);
        timers_.advance(3s);
    }
    EXPECT_EQ(directory_.asked.size(), 31U);
    directory_.answer(30, std::nullopt);
    ASSERT_EQ(ended_.size(), 1U);
    EXPECT_FALSE(ended_[0].missed) << "no miss, a recheck";
}

TEST_F(AgentPending, ALateAnswerIsIgnored)
{
    start(1);
    EXPECT_TRUE(lookups_->end(key(1)));
    EXPECT_FALSE(lookups_->end(key(1)));
    directory_.answer(0, found);
    EXPECT_TRUE(ended_.empty());
    start(1);
    directory_.answer(0, found);
    EXPECT_TRUE(ended_.empty()) << "the answer to the look-up before";
    directory_.answer(1, found);
    EXPECT_EQ(ended_.size(), 1U);
}

TEST_F(AgentPending, AnEndedLookUpIsNotRetried)
{
    start(1);
    directory_.fail(0);
    lookups_->end(key(1));
    EXPECT_EQ(timers_.waiting(), 0U);
    timers_.advance(10s);
    EXPECT_EQ(directory_.asked.size(), 1U);
}

TEST_F(AgentPending, IsBoundedAndLeavesRoomForOtherVnis)
{
    make({.most = 8});
    lookups_->share_among(2);
    for (unsigned n = 0; n < 4; n++)
        EXPECT_TRUE(start(n));
    EXPECT_FALSE(start(4)) << "half of them are for the other VNI";
    for (unsigned n = 0; n < 4; n++)
        EXPECT_TRUE(start(n, 43));
    EXPECT_FALSE(start(4, 44));
    directory_.answer(0, std::nullopt);
    EXPECT_TRUE(start(4));
}

TEST_F(AgentPending, RechecksAFewAtATime)
{
    make({.rechecks_most = 2});
    for (unsigned n = 1; n <= 5; n++)
        cached_.insert(key(n));
    lookups_->resync({key(1), key(2), key(3), key(4), key(9)});
    EXPECT_EQ(asked(), (std::vector{key(1), key(2)}));
    cached_.erase(key(3));
    directory_.answer(0, found);
    EXPECT_EQ(asked(), (std::vector{key(1), key(2), key(4)})) << "3 has left the cache";
    directory_.answer(1, found);
    directory_.answer(2, found);
    EXPECT_EQ(directory_.asked.size(), 3U) << "9 was never there";
    EXPECT_EQ(ended_.size(), 3U);
}

// The answer may be older than the changes that were missed.
TEST_F(AgentPending, AResyncAsksAgainForWhatIsPending)
{
    start(1);
    lookups_->resync({});
    directory_.answer(0, found);
    EXPECT_TRUE(ended_.empty());
    ASSERT_EQ(directory_.asked.size(), 2U);
    directory_.answer(1, std::nullopt);
    ASSERT_EQ(ended_.size(), 1U);
    EXPECT_FALSE(ended_[0].found);
}

TEST_F(AgentPending, ARefusedRecordEndsTheLookUp)
{
    start(1);
    directory_.answer(0, system_failure("answer for", "it", "nonsense", EBADMSG));
    ASSERT_EQ(ended_.size(), 1U);
    EXPECT_FALSE(ended_[0].found);
    EXPECT_EQ(metrics_.failed, 0U);
}

} // namespace
} // namespace xvtep::agent
