// SPDX-License-Identifier: GPL-2.0-only
// The agent's core between a host and a directory that answer by hand.
#include "user/agent/agent.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "tests/unit/agent_values.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr unsigned here = 1; // our own VTEP's number

struct FakeHost : Host {
    std::vector<VtepInfo> there;
    std::map<Mac, FdbEntry> entries;
    std::map<Ip, NeighEntry> neighbour_entries;
    std::optional<Error> refuses;
    bool unreadable = false;
    unsigned looked = 0, writes = 0;

    std::vector<VtepInfo> vteps() override
    {
        looked++;
        return there;
    }
    bool is_own(const Ip &address) override { return address == vtep(here); }
    std::vector<Result<>> write(std::span<const Change> changes) override
    {
        std::vector<Result<>> results;
        for (const auto &change : changes) {
            writes++;
            if (refuses) {
                results.emplace_back(std::unexpected(*refuses));
                continue;
            }
            const auto *of_mac = std::get_if<Mac>(&change.key.what);
            if (change.record) {
                FdbEntry entry;
                entry.mac = change.record->mac;
                entry.dst = change.record->vtep;
                entry.port = change.record->port;
                entry.state = FdbState::dynamic;
                entries[entry.mac] = entry;
                if (change.record->ip)
                    neighbour_entries[*change.record->ip] = {*change.record->ip, "vxlan0",
                                                             entry.mac, NeighState::reachable, 0};
            } else if (of_mac != nullptr) {
                entries.erase(*of_mac);
            } else {
                neighbour_entries.erase(std::get<Ip>(change.key.what));
            }
            results.emplace_back();
        }
        return results;
    }
    bool slow = false;
    std::function<void()> reading; // ends a slow one
    void read(std::function<void(Result<std::map<std::string, TableCopy>>)> done) override
    {
        const auto table = fdb("vxlan0");
        if (!table)
            return done(std::unexpected(table.error()));
        TableCopy copy;
        for (const auto &entry : *table)
            copy.fdb.emplace(entry.mac, entry);
        for (const auto &[key, entry] : neighbour_entries)
            copy.neighbours.emplace(entry.ip, entry.updated);
        std::map<std::string, TableCopy> copies;
        for (const auto &one : there)
            copies[one.name] = copy;
        if (slow)
            reading = [done, copies] { done(copies); };
        else
            done(copies);
    }
    Result<std::vector<FdbEntry>> fdb(const std::string &) override
    {
        if (unreadable)
            return system_failure("fdb show", "vxlan0", "no such device");
        std::vector<FdbEntry> all;
        for (const auto &[key, entry] : entries)
            all.push_back(entry);
        return all;
    }
    Result<std::vector<NeighEntry>> neighbours(const std::string &) override
    {
        std::vector<NeighEntry> all;
        for (const auto &[key, entry] : neighbour_entries)
            all.push_back(entry);
        return all;
    }
};

struct FakeDirectory : Directory {
    struct Question {
        Key key;
        std::function<void(Answer)> done;
    };
    std::vector<Question> open;
    std::vector<Key> asked;
    std::set<Record> announced;
    std::set<std::uint32_t> watched;
    bool tells = true;

    void look_up(const Key &key, std::function<void(Answer)> done) override
    {
        asked.push_back(key);
        open.push_back({key, std::move(done)});
    }
    void announce(const std::set<Record> &own) override { announced = own; }
    void watch(const std::set<std::uint32_t> &vnis) override { watched = vnis; }
    bool watches() const override { return tells; }
    std::string name() const override { return "fake"; }

    [[nodiscard]] bool is_open(const Key &key) const
    {
        return std::ranges::find(open, key, &Question::key) != open.end();
    }
    [[nodiscard]] std::ptrdiff_t times(const Key &key) const
    {
        return std::ranges::count(asked, key);
    }

    // The oldest question for the key.
    void answer(const Key &key, Answer with)
    {
        const auto found = std::ranges::find(open, key, &Question::key);
        ASSERT_NE(found, open.end()) << "nobody asked for " << key.text();
        const auto done = std::move(found->done);
        open.erase(found);
        done(std::move(with));
    }
    void fail(const Key &key, int code = 0)
    {
        answer(key, system_failure("ask", key.text(), "it is wrong", code));
    }
};

class AgentCore : public ::testing::Test {
  protected:
    AgentCore()
    {
        auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
        before_ = spdlog::default_logger();
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
        add_vtep(42);
        options_.resolver.negative.absent_for = 40ms;
        options_.resolver.negative.refused_for = 80ms;
        options_.resolver.lookups.retry_first = 5ms;
        options_.resolver.lookups.retry_most = 20ms;
        options_.resolver.lookups.retry_for = 0s;
        options_.resolver.lookups.rechecks_most = 4;
    }
    ~AgentCore() override { spdlog::set_default_logger(before_); }

    void add_vtep(std::uint32_t vni)
    {
        VtepInfo info;
        info.vni = vni;
        info.name = fmt::format("vxlan{}", vni);
        info.local = vtep(here);
        info.ageing = 300;
        info.reachable_time = 30;
        host_.there.push_back(info);
    }

    void start()
    {
        agent_.emplace(loop_, host_, metrics_, options_);
        agent_->start(directory_);
    }
    // Entries in use that an agent before this one wrote.
    void written(unsigned n, unsigned behind, std::optional<unsigned> address = {})
    {
        FdbEntry entry;
        entry.mac = mac(n);
        entry.dst = vtep(behind);
        entry.state = FdbState::dynamic;
        host_.entries[entry.mac] = entry;
        if (address)
            host_.neighbour_entries[ip(*address)] = {ip(*address), "vxlan42", mac(n),
                                                     NeighState::reachable, 0};
    }

    void miss(const Key &key)
    {
        if (const auto *of_mac = std::get_if<Mac>(&key.what)) {
            L2Miss l2;
            l2.vni = key.vni;
            l2.mac = *of_mac;
            agent_->on_l2miss(l2);
        } else {
            L3Miss l3;
            l3.vni = key.vni;
            l3.ip = std::get<Ip>(key.what);
            agent_->on_l3miss(l3);
        }
    }
    void run(std::chrono::milliseconds time = 5ms) { loop_.run(Loop::Clock::now() + time); }
    void answer(const Key &key, Directory::Answer with)
    {
        directory_.answer(key, std::move(with));
        run();
    }
    // Asked for, found, written.
    void learn(const Key &key, const Record &found)
    {
        miss(key);
        answer(key, found);
    }
    std::optional<unsigned> behind(unsigned n) const
    {
        const auto found = host_.entries.find(mac(n));
        return found == host_.entries.end() ? std::nullopt
                                            : std::optional<unsigned>(found->second.dst.octets[15]);
    }
    bool neighbour(unsigned address) const { return host_.neighbour_entries.contains(ip(address)); }
    std::ptrdiff_t logged(const std::string &what) const
    {
        const std::string text = log_.str();
        std::ptrdiff_t count = 0;
        for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
            count++;
        return count;
    }

    std::ostringstream log_;
    Loop loop_ = std::move(*Loop::make());
    Metrics metrics_;
    FakeHost host_;
    FakeDirectory directory_;
    AgentOptions options_;
    std::optional<Agent> agent_;

  private:
    std::shared_ptr<spdlog::logger> before_;
};

TEST_F(AgentCore, AMissBecomesAQuestionAndAnEntry)
{
    start();
    miss(mac_key(7));
    EXPECT_EQ(host_.writes, 0U);
    answer(mac_key(7), record(7, 2));
    EXPECT_EQ(behind(7), 2U);
    EXPECT_EQ(host_.entries[mac(7)].port, 4789);
    miss(ip_key(9));
    answer(ip_key(9), with_ip(9, 9, 3));
    EXPECT_EQ(behind(9), 3U);
    EXPECT_TRUE(neighbour(9));
    EXPECT_EQ(metrics_.l2misses, 1U);
    EXPECT_EQ(metrics_.l3misses, 1U);
    EXPECT_EQ(metrics_.found, 2U);
    EXPECT_EQ(metrics_.writes, 2U);
    EXPECT_EQ(metrics_.cached, 3U) << "two MACs, one IP";
    EXPECT_EQ(metrics_.pending, 0U);
}

TEST_F(AgentCore, OneQuestionForManyMissesOfAKey)
{
    start();
    for (int i = 0; i < 100; i++)
        miss(mac_key(7));
    EXPECT_EQ(directory_.asked.size(), 1U);
    EXPECT_EQ(metrics_.coalesced, 99U);
    miss(ip_key(7));
    EXPECT_EQ(directory_.asked.size(), 2U) << "another key";
}

TEST_F(AgentCore, ASlowKeyDoesNotHoldUpOthers)
{
    start();
    for (const unsigned n : {1U, 2U, 3U})
        miss(mac_key(n));
    answer(mac_key(3), record(3, 3));
    answer(mac_key(2), record(2, 2));
    EXPECT_EQ(behind(3), 3U);
    EXPECT_EQ(behind(2), 2U);
    EXPECT_FALSE(behind(1));
    answer(mac_key(1), record(1, 4));
    EXPECT_EQ(behind(1), 4U);
}

TEST_F(AgentCore, WhatIsHeldIsWrittenAgainWithoutAsking)
{
    start();
    learn(mac_key(7), record(7, 2));
    host_.entries.clear(); // expired
    miss(mac_key(7));
    run();
    EXPECT_EQ(behind(7), 2U);
    EXPECT_EQ(directory_.asked.size(), 1U);
    EXPECT_EQ(metrics_.from_memory, 1U);
}

TEST_F(AgentCore, ADirectoryThatTellsNoChangesIsAskedAgain)
{
    directory_.tells = false;
    start();
    learn(mac_key(7), record(7, 2));
    miss(mac_key(7));
    EXPECT_EQ(directory_.times(mac_key(7)), 2);
    answer(mac_key(7), record(7, 3));
    EXPECT_EQ(behind(7), 3U);
}

TEST_F(AgentCore, AbsenceIsRememberedBriefly)
{
    start();
    miss(mac_key(7));
    answer(mac_key(7), std::nullopt);
    miss(mac_key(7));
    EXPECT_EQ(directory_.asked.size(), 1U);
    run(options_.resolver.negative.absent_for + 5ms);
    miss(mac_key(7));
    EXPECT_EQ(directory_.asked.size(), 2U);
}

TEST_F(AgentCore, ANewsOfAKeyThatWasAbsentIsWrittenAtOnce)
{
    start();
    miss(mac_key(7));
    answer(mac_key(7), std::nullopt);
    agent_->changed(mac_key(7), record(7, 2));
    run();
    EXPECT_EQ(behind(7), 2U);
    agent_->changed(mac_key(8), record(8, 2));
    run();
    EXPECT_FALSE(behind(8)) << "nobody asked";
}

// Longer than absence is remembered: whoever asked may have given up, but still wants to know.
TEST_F(AgentCore, WhatSomebodyAskedForIsAwaited)
{
    options_.resolver.negative.awaited_for = 100ms;
    start();
    std::vector<Record> installed;
    agent_->installed = [&](const Record &one) { installed.push_back(one); };
    for (const unsigned n : {1U, 2U, 3U}) {
        miss(ip_key(n));
        answer(ip_key(n), std::nullopt);
    }
    agent_->changed(ip_key(1), with_ip(1, 1, 2));
    run(options_.resolver.negative.absent_for + 20ms);
    EXPECT_EQ(installed, (std::vector{with_ip(1, 1, 2)}));
    agent_->changed(ip_key(2), std::nullopt); // still not
    agent_->changed(ip_key(2), with_ip(2, 2, 2));
    run();
    EXPECT_EQ(installed.size(), 2U);
    EXPECT_TRUE(neighbour(2));
    run(options_.resolver.negative.awaited_for);
    agent_->changed(ip_key(3), with_ip(3, 3, 2));
    run();
    EXPECT_EQ(installed.size(), 2U);
    EXPECT_FALSE(neighbour(3)) << "not for ever";
}

// The answer was on its way when the change came: the change is the newer of the two.
TEST_F(AgentCore, AChangeOvertakesTheAnswerToAnOpenQuestion)
{
    start();
    miss(mac_key(7));
    agent_->changed(mac_key(7), record(7, 3));
    run();
    EXPECT_EQ(behind(7), 3U);
    answer(mac_key(7), record(7, 2));
    EXPECT_EQ(behind(7), 3U);
    EXPECT_EQ(metrics_.pending, 0U);

    miss(mac_key(8));
    agent_->changed(mac_key(8), std::nullopt);
    answer(mac_key(8), record(8, 2));
    EXPECT_FALSE(behind(8)) << "it would stay: no further change will come";
    // A late answer is none to a question asked since.
    run(options_.resolver.negative.absent_for + 5ms);
    miss(mac_key(9));
    agent_->changed(mac_key(9), std::nullopt);
    run(options_.resolver.negative.absent_for + 5ms);
    miss(mac_key(9));
    answer(mac_key(9), record(9, 2));
    EXPECT_FALSE(behind(9));
    answer(mac_key(9), record(9, 3));
    EXPECT_EQ(behind(9), 3U);
}

TEST_F(AgentCore, ErrorsAreRetriedLessAndLessOften)
{
    options_.resolver.lookups.retry_for = 10s;
    start();
    miss(mac_key(7));
    const auto began = Loop::Clock::now();
    for (int i = 0; i < 6; i++) {
        directory_.fail(mac_key(7));
        while (directory_.open.empty())
            run(1ms);
    }
    // 5 + 10 + 20 + 20 + 20 + 20 ms, each up to half as much again.
    const auto took = Loop::Clock::now() - began;
    EXPECT_GE(took, 95ms);
    EXPECT_LE(took, 400ms);
    EXPECT_EQ(directory_.asked.size(), 7U);
    EXPECT_EQ(metrics_.failed, 6U);
    miss(mac_key(7));
    EXPECT_EQ(directory_.asked.size(), 7U) << "still the same question";
    answer(mac_key(7), record(7, 2));
    EXPECT_EQ(behind(7), 2U);
}

TEST_F(AgentCore, GivesUpUntilTheNextMiss)
{
    start(); // retry_for 0: at once
    miss(mac_key(7));
    run();
    directory_.fail(mac_key(7));
    run(40ms);
    EXPECT_EQ(directory_.asked.size(), 1U);
    EXPECT_EQ(metrics_.pending, 0U);
    miss(mac_key(7));
    EXPECT_EQ(directory_.asked.size(), 2U);
}

TEST_F(AgentCore, NonsenseChangesNothingAndIsLoggedOnce)
{
    start();
    learn(mac_key(7), record(7, 2));
    agent_->resync();
    for (int i = 0; i < 3; i++) {
        directory_.fail(mac_key(7), EBADMSG);
        run();
        EXPECT_EQ(behind(7), 2U);
        agent_->resync();
    }
    EXPECT_EQ(logged("it is wrong"), 1);
    EXPECT_EQ(metrics_.refused, 3U);
    miss(mac_key(8));
    directory_.fail(mac_key(8), EBADMSG);
    miss(mac_key(8));
    EXPECT_EQ(directory_.times(mac_key(8)), 1) << "not asked for again for a while";
    run(options_.resolver.negative.refused_for + 5ms);
    miss(mac_key(8));
    EXPECT_EQ(directory_.times(mac_key(8)), 2);
}

TEST_F(AgentCore, AHostilesDirectorysLogIsBounded)
{
    start();
    for (unsigned n = 0; n < 3000; n++) {
        miss(mac_key(n));
        directory_.answer(mac_key(n), system_failure("answer for", mac(n).text(), "no", EBADMSG));
    }
    EXPECT_LE(logged("answer for"), 1000);
    EXPECT_EQ(metrics_.refused, 3000U);
}

TEST_F(AgentCore, RefusesItsOwnAddressAndTheWrongFamily)
{
    start();
    miss(mac_key(7));
    answer(mac_key(7), record(7, here));
    EXPECT_FALSE(behind(7));
    EXPECT_EQ(logged("this host's own address"), 1);
    miss(mac_key(8));
    Record v6 = record(8, 2);
    v6.vtep = *Ip::parse("fd00::2");
    answer(mac_key(8), v6);
    EXPECT_FALSE(behind(8));
    EXPECT_EQ(logged("family"), 1);
    EXPECT_EQ(metrics_.refused, 2U);
}

TEST_F(AgentCore, OurOwnEndpointsAreNoComplaint)
{
    start();
    agent_->announce({record(7, here)});
    EXPECT_EQ(directory_.announced.size(), 1U);
    miss(mac_key(7));
    answer(mac_key(7), record(7, here));
    EXPECT_FALSE(behind(7));
    EXPECT_EQ(log_.str(), "");
}

TEST_F(AgentCore, TellsWhenAnotherHostAnnouncesOurs)
{
    start();
    std::vector<Mac> taken;
    agent_->claimed = [&](std::uint32_t, const Mac &one) { taken.push_back(one); };
    agent_->announce({record(7, here)});
    agent_->changed(mac_key(7), record(7, here)); // what we announced ourselves
    EXPECT_TRUE(taken.empty());
    agent_->changed(mac_key(7), record(7, 2));
    EXPECT_EQ(taken, std::vector{mac(7)});
}

// --vtep names an address that no device here has, of a router that translates, say.
TEST_F(AgentCore, WhatItAnnouncesWithAnotherAddressIsNotTaken)
{
    start();
    unsigned taken = 0;
    agent_->claimed = [&](std::uint32_t, const Mac &) { taken++; };
    agent_->announce({record(7, 99)});
    agent_->changed(mac_key(7), record(7, 99));
    EXPECT_EQ(taken, 0U);
}

// A virtual address: another MAC's now, elsewhere.
TEST_F(AgentCore, AnIpThatFailsOverIsGivenUp)
{
    start();
    std::vector<Ip> taken;
    agent_->claimed_ip = [&](std::uint32_t, const Ip &one) { taken.push_back(one); };
    agent_->announce({with_ip(7, 7, here)});
    agent_->changed(ip_key(7), with_ip(7, 7, here)); // our own announcement comes back
    agent_->changed(ip_key(8), with_ip(8, 8, 2));
    EXPECT_TRUE(taken.empty());
    agent_->changed(ip_key(7), with_ip(7, 9, 2));
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ((Key{42, taken[0]}), ip_key(7));
}

// Whoever is behind a local port may have been told of the IP's MAC.
TEST_F(AgentCore, TellsWhenAnIpHasMoved)
{
    start();
    std::vector<Record> moved;
    agent_->moved = [&](const Record &one) {
        EXPECT_EQ(behind(one.mac.octets[5]), one.vtep.octets[15]) << "the tables know it first";
        moved.push_back(one);
    };
    learn(ip_key(1), with_ip(7, 1, 2));
    learn(ip_key(2), with_ip(8, 2, 2));
    agent_->changed(ip_key(1), with_ip(7, 1, 3)); // its MAC moves with it, as the tables say
    agent_->changed(ip_key(9), with_ip(9, 9, 2));
    run();
    EXPECT_TRUE(moved.empty());
    agent_->changed(ip_key(1), with_ip(9, 1, 3));
    run();
    EXPECT_EQ(moved, (std::vector{with_ip(9, 1, 3)}));
    // A directory without a watch says so when it is asked again.
    moved.clear();
    agent_->resync();
    answer(ip_key(1), with_ip(10, 1, 4));
    EXPECT_EQ(moved, (std::vector{with_ip(10, 1, 4)}));
    // What is not held any more may be believed all the same; and it was away meanwhile.
    moved.clear();
    agent_->changed(ip_key(2), std::nullopt);
    run();
    agent_->changed(ip_key(2), with_ip(11, 2, 3));
    run();
    EXPECT_EQ(moved, (std::vector{with_ip(11, 2, 3)}));
    EXPECT_EQ(behind(11), 3U) << "they will send there now";
}

TEST_F(AgentCore, TellsWhenAnIpOrMacOfOursHasGone)
{
    start();
    std::vector<Record> moved;
    agent_->moved = [&](const Record &one) { moved.push_back(one); };
    agent_->announce({with_ip(7, 1, here), with_ip(8, 2, here)});
    agent_->changed(ip_key(1), with_ip(7, 1, here)); // comes back
    run();
    EXPECT_TRUE(moved.empty());
    agent_->changed(ip_key(1), with_ip(9, 1, 2));
    agent_->changed(ip_key(2), with_ip(8, 2, 2)); // with its MAC
    run();
    EXPECT_EQ(moved, (std::vector{with_ip(9, 1, 2), with_ip(8, 2, 2)}));
    EXPECT_EQ(behind(9), 2U);
    EXPECT_EQ(behind(8), 2U);
    // Its port had gone before.
    moved.clear();
    agent_->announce({with_ip(10, 3, here)});
    agent_->announce({});
    agent_->changed(ip_key(3), with_ip(11, 3, 2));
    // Here again, it says so itself; away again, we do.
    agent_->changed(ip_key(3), with_ip(12, 3, here));
    run();
    EXPECT_EQ(moved, (std::vector<Record>{}));
    agent_->changed(ip_key(3), with_ip(11, 3, 2));
    run();
    EXPECT_EQ(moved, (std::vector{with_ip(11, 3, 2)}));
}

TEST_F(AgentCore, WhatIsBelievedIsBounded)
{
    options_.resolver.ip_moves_most = 2;
    start();
    unsigned moved = 0;
    agent_->moved = [&](const Record &) { moved++; };
    for (unsigned n = 1; n <= 3; n++)
        learn(ip_key(n), with_ip(n, n, 2));
    agent_->changed(ip_key(3), with_ip(9, 3, 2));
    run();
    EXPECT_EQ(moved, 1U) << "the last one is remembered";
    agent_->changed(ip_key(1), with_ip(9, 1, 2));
    run();
    EXPECT_EQ(moved, 1U) << "the first one is not";
}

TEST_F(AgentCore, KnowsItsOwnWithoutAnnouncingThem)
{
    options_.announce = false;
    start();
    agent_->announce({with_ip(7, 1, here)});
    EXPECT_TRUE(directory_.announced.empty());
    EXPECT_EQ(metrics_.announced, 0U);
    unsigned moved = 0;
    agent_->moved = [&](const Record &) { moved++; };
    agent_->changed(ip_key(1), with_ip(9, 1, 2));
    run();
    EXPECT_EQ(moved, 1U);
}

TEST_F(AgentCore, AMoveIsWritten)
{
    start();
    learn(mac_key(7), record(7, 2));
    learn(ip_key(9), with_ip(9, 9, 2));
    agent_->changed(mac_key(7), record(7, 3));
    agent_->changed(mac_key(9), with_ip(9, 9, 4));
    run();
    EXPECT_EQ(behind(7), 3U);
    EXPECT_EQ(behind(9), 4U) << "the neighbour follows its MAC";
    agent_->changed(ip_key(9), with_ip(9, 9, 5));
    run();
    EXPECT_EQ(behind(9), 5U);
    EXPECT_EQ(metrics_.changes, 3U);
}

TEST_F(AgentCore, WhatTheDirectoryForgetsIsRemoved)
{
    start();
    learn(mac_key(7), record(7, 2));
    learn(ip_key(9), with_ip(9, 9, 2));
    agent_->changed(mac_key(7), std::nullopt);
    agent_->changed(ip_key(9), std::nullopt);
    run();
    EXPECT_FALSE(behind(7));
    EXPECT_FALSE(behind(9)) << "known by its IP alone";
    EXPECT_FALSE(neighbour(9));
    EXPECT_EQ(metrics_.cached, 0U);
    EXPECT_EQ(metrics_.removals, 3U);
}

TEST_F(AgentCore, AMacStaysWhileAnotherKeyNamesIt)
{
    start();
    learn(ip_key(1), with_ip(7, 1, 2));
    learn(ip_key(2), with_ip(7, 2, 2));
    agent_->changed(ip_key(1), std::nullopt);
    run();
    EXPECT_FALSE(neighbour(1));
    EXPECT_TRUE(neighbour(2));
    EXPECT_EQ(behind(7), 2U);
    agent_->changed(ip_key(2), std::nullopt);
    run();
    EXPECT_FALSE(behind(7));

    learn(mac_key(8), record(8, 2));
    learn(ip_key(3), with_ip(8, 3, 2));
    agent_->changed(ip_key(3), std::nullopt);
    run();
    EXPECT_EQ(behind(8), 2U) << "asked for itself";
}

TEST_F(AgentCore, AnIpThatChangesItsMacLeavesNothingBehind)
{
    start();
    learn(ip_key(1), with_ip(7, 1, 2));
    agent_->changed(ip_key(1), with_ip(8, 1, 3));
    run();
    EXPECT_EQ(behind(8), 3U);
    EXPECT_FALSE(behind(7));
    agent_->changed(ip_key(1), std::nullopt);
    run();
    EXPECT_EQ(metrics_.cached, 0U);
    EXPECT_TRUE(host_.entries.empty());
}

TEST_F(AgentCore, WhatHasComeToThisHostIsRemoved)
{
    start();
    learn(mac_key(7), record(7, 2));
    agent_->announce({record(7, here)});
    agent_->changed(mac_key(7), record(7, here));
    run();
    EXPECT_FALSE(behind(7));

    learn(mac_key(8), record(8, 2));
    agent_->announce({record(7, here), record(8, here)});
    agent_->resync(); // and the change was not told
    answer(mac_key(8), record(8, here));
    EXPECT_FALSE(behind(8));
}

TEST_F(AgentCore, LostTrackAsksForSourcesAFewAtATime)
{
    start();
    for (unsigned n = 1; n <= 6; n++)
        learn(ip_key(n), with_ip(n, n, 2));
    directory_.asked.clear();
    agent_->resync();
    EXPECT_EQ(directory_.asked.size(), 4U);
    std::set<Key> asked;
    while (!directory_.open.empty()) {
        const Key key = directory_.open.front().key;
        EXPECT_TRUE(asked.insert(key).second) << key.text();
        EXPECT_TRUE(std::holds_alternative<Ip>(key.what)) << key.text();
        EXPECT_LE(directory_.open.size(), 4U);
        const auto n = std::get<Ip>(key.what).octets[15];
        answer(key, n == 3 ? Directory::Answer(std::nullopt) : with_ip(n, n, 3));
    }
    EXPECT_EQ(asked.size(), 6U);
    EXPECT_EQ(behind(1), 3U);
    EXPECT_FALSE(behind(3));
}

// A miss of a key that is being rechecked must not cost one of the places for rechecks.
TEST_F(AgentCore, MissesDuringRechecksDoNotStopThem)
{
    start();
    for (unsigned n = 1; n <= 6; n++)
        learn(mac_key(n), record(n, 2));
    directory_.tells = false; // or misses are answered from memory
    for (int round = 0; round < 3; round++) {
        agent_->resync();
        unsigned answered = 0;
        while (!directory_.open.empty()) {
            const Key key = directory_.open.front().key;
            miss(key);
            answer(key, record(std::get<Mac>(key.what).octets[5], 3));
            answered++;
        }
        EXPECT_EQ(answered, 6U) << "round " << round;
    }
}

TEST_F(AgentCore, ARecheckThatFailsKeepsTheEntry)
{
    start();
    learn(mac_key(7), record(7, 2));
    agent_->resync();
    for (int i = 0; i < 4; i++) {
        directory_.fail(mac_key(7));
        EXPECT_EQ(behind(7), 2U);
        for (int wait = 0; wait < 100 && directory_.open.empty(); wait++)
            run(1ms);
        ASSERT_FALSE(directory_.open.empty()) << "asked until somebody knows";
    }
    answer(mac_key(7), std::nullopt);
    EXPECT_FALSE(behind(7));
}

// The answer may have been given before what was missed.
TEST_F(AgentCore, AnAnswerFromBeforeTrackWasLostDoesNotCount)
{
    start();
    learn(mac_key(7), record(7, 2));
    directory_.asked.clear();
    agent_->resync();
    agent_->resync();
    answer(mac_key(7), record(7, 3));
    ASSERT_TRUE(directory_.is_open(mac_key(7)));
    answer(mac_key(7), record(7, 4));
    EXPECT_EQ(behind(7), 4U);
    EXPECT_TRUE(directory_.open.empty());
}

TEST_F(AgentCore, TakesOverWhatAnAgentBeforeItWrote)
{
    written(1, 2);
    written(2, 2, 2);
    written(3, 2);
    written(4, 2);
    FdbEntry learned = host_.entries[mac(1)], kept = learned;
    learned.mac = mac(5);
    learned.learned = true;
    host_.entries[mac(5)] = learned;
    kept.mac = mac(6);
    kept.state = FdbState::permanent;
    host_.entries[mac(6)] = kept;
    start();
    run();
    EXPECT_FALSE(directory_.is_open(mac_key(5)));
    EXPECT_FALSE(directory_.is_open(mac_key(6)));
    while (!directory_.open.empty()) {
        const Key key = directory_.open.front().key;
        if (key == mac_key(1))
            answer(key, record(1, 3)); // moved meanwhile
        else if (key == mac_key(2) || key == ip_key(2))
            answer(key, with_ip(2, 2, 2));
        else if (key == mac_key(3))
            answer(key, std::nullopt); // gone meanwhile
        else
            directory_.fail(key, EBADMSG);
        run();
    }
    EXPECT_EQ(behind(1), 3U);
    EXPECT_EQ(behind(2), 2U);
    EXPECT_TRUE(neighbour(2));
    EXPECT_FALSE(behind(3));
    EXPECT_EQ(behind(4), 2U);
    EXPECT_EQ(behind(5), 2U);
    EXPECT_EQ(behind(6), 2U);
}

// A command that knows IPs alone has no answer for the MACs taken over.
TEST_F(AgentCore, AMacTakenOverStaysWhileItsIpIsConfirmed)
{
    for (const bool ip_first : {true, false}) {
        directory_ = {};
        directory_.tells = false;
        host_.entries.clear();
        host_.neighbour_entries.clear();
        written(7, 2, 7);
        start();
        run();
        if (ip_first)
            answer(ip_key(7), with_ip(7, 7, 2));
        answer(mac_key(7), std::nullopt);
        if (!ip_first)
            answer(ip_key(7), with_ip(7, 7, 2));
        EXPECT_EQ(behind(7), 2U) << ip_first;
        EXPECT_TRUE(neighbour(7));
    }
}

TEST_F(AgentCore, EntriesInUseAreRenewedBeforeTheyExpire)
{
    const auto aged = [&](unsigned n, std::uint64_t used, std::uint64_t updated) {
        written(n, 2);
        host_.entries[mac(n)].used = used;
        host_.entries[mac(n)].updated = updated;
    };
    aged(1, 0, 200);   // in use, old
    aged(2, 0, 10);    // in use, new
    aged(3, 200, 200); // not in use
    start();
    run();
    EXPECT_EQ(host_.entries[mac(1)].updated, 0U) << "written again";
    EXPECT_EQ(host_.entries[mac(2)].updated, 10U);
    EXPECT_EQ(host_.entries[mac(3)].updated, 200U);
}

TEST_F(AgentCore, WhatExpiredIsForgotten)
{
    host_.there[0].reachable_time = 4; // looked at every second
    start();
    learn(mac_key(1), record(1, 2));
    learn(ip_key(2), with_ip(2, 2, 2));
    learn(mac_key(3), record(3, 2));
    host_.entries.erase(mac(1));
    host_.entries.erase(mac(2));
    host_.entries[mac(3)].learned = true; // heard of elsewhere
    run(1100ms);
    EXPECT_EQ(metrics_.cached, 0U);
    agent_->changed(mac_key(1), record(1, 3));
    agent_->changed(mac_key(3), record(3, 3));
    run();
    EXPECT_FALSE(behind(1)) << "nobody here talks to it any more";
    EXPECT_EQ(behind(3), 2U);
}

TEST_F(AgentCore, WhatIsWrittenDuringAReadHasNotExpired)
{
    host_.there[0].reachable_time = 4; // looked at every second
    host_.slow = true;
    start();
    learn(mac_key(1), record(1, 2));
    run(1100ms);
    ASSERT_TRUE(host_.reading);
    learn(mac_key(2), record(2, 2));
    host_.entries.erase(mac(1));
    host_.reading();
    EXPECT_EQ(metrics_.cached, 2U) << "1 had not expired when they were read";
    run(1100ms);
    host_.reading();
    EXPECT_EQ(metrics_.cached, 1U);
}

TEST_F(AgentCore, ATableThatCannotBeReadForgetsNothing)
{
    host_.there[0].reachable_time = 4;
    start();
    learn(mac_key(1), record(1, 2));
    host_.unreadable = true;
    run(1100ms);
    host_.unreadable = false;
    agent_->changed(mac_key(1), record(1, 3));
    run();
    EXPECT_EQ(behind(1), 3U);
}

TEST_F(AgentCore, QuestionsAreBounded)
{
    options_.resolver.lookups.most = 10;
    start();
    for (unsigned n = 0; n < 50; n++)
        miss(mac_key(n));
    EXPECT_EQ(directory_.asked.size(), 10U);
    EXPECT_EQ(metrics_.overloaded, 40U);
    answer(mac_key(0), std::nullopt);
    miss(mac_key(11));
    EXPECT_EQ(directory_.asked.size(), 11U);
}

std::size_t resident()
{
    std::size_t pages = 0, all = 0;
    if (std::FILE *file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%zu %zu", &all, &pages) != 2)
            pages = 0;
        std::fclose(file);
    }
    return pages * 4096;
}

TEST_F(AgentCore, AScanOfAMillionAddressesTakesLittleMemory)
{
    options_.resolver.negative.absent_for = 10min;
    start();
    directory_.asked.reserve(1'000'000);
    std::size_t before = 0;
    for (unsigned n = 0; n < 1'000'000; n++) {
        Mac one = mac(n & 0xffff);
        one.octets[3] = static_cast<std::uint8_t>(n >> 16);
        const Key key{42, one};
        miss(key);
        directory_.answer(key, std::nullopt);
        if (n == 100'000) {
            directory_.asked.clear();
            before = resident();
        }
    }
    EXPECT_LT(resident() - before, std::size_t{64} << 20);
    EXPECT_EQ(metrics_.absent, 1'000'000U);
    EXPECT_EQ(metrics_.cached, 0U);
}

TEST_F(AgentCore, MissesOfVnisItDoesNotServeCostLittle)
{
    start();
    const auto before = host_.looked;
    for (unsigned n = 0; n < 1000; n++)
        miss(mac_key(n, 43));
    EXPECT_TRUE(directory_.asked.empty());
    EXPECT_LE(host_.looked - before, 20U);
}

TEST_F(AgentCore, AVtepAttachedAMomentAgoIsServed)
{
    start();
    run(60ms);
    add_vtep(43);
    miss(mac_key(7, 43));
    EXPECT_TRUE(directory_.is_open(mac_key(7, 43)));
    EXPECT_EQ(directory_.watched, (std::set<std::uint32_t>{42, 43}));
}

TEST_F(AgentCore, AVtepThatIsDetachedIsForgotten)
{
    start();
    learn(mac_key(7), record(7, 2));
    miss(mac_key(8));
    host_.there.clear();
    agent_->refresh();
    EXPECT_EQ(agent_->cached(), 0U);
    EXPECT_EQ(metrics_.cached, 0U);
    EXPECT_TRUE(directory_.watched.empty());
    const auto before = host_.writes;
    answer(mac_key(8), record(8, 2));
    EXPECT_EQ(agent_->cached(), 0U);
    EXPECT_EQ(host_.writes, before);
}

TEST_F(AgentCore, AWriteThatFailsIsLoggedOnceAndCounted)
{
    start();
    host_.refuses = system_failure("fdb add", "vxlan42", "the table is full").error();
    learn(mac_key(7), record(7, 2));
    miss(mac_key(7));
    run();
    EXPECT_EQ(logged("the table is full"), 1);
    EXPECT_EQ(metrics_.write_errors, 2U);
}

} // namespace
} // namespace xvtep::agent
