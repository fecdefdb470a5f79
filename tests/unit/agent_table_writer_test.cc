// SPDX-License-Identifier: GPL-2.0-only
// The table writer, and the warnings that are logged once.
#include "user/agent/table_writer.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/agent_fake_timers.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

Record record(unsigned n, unsigned behind)
{
    return {42, Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}}, std::nullopt,
            Ip::v4(behind << 24), 4789};
}
Key key(unsigned n)
{
    return {42, record(n, 0).mac};
}

struct WrittenHost : Host {
    std::vector<std::vector<Change>> batches;
    std::optional<Error> refuses;

    std::vector<VtepInfo> vteps() override { return {}; }
    bool is_own(const Ip &) override { return false; }
    std::vector<Result<>> write(std::span<const Change> changes) override
    {
        batches.emplace_back(changes.begin(), changes.end());
        Result<> result;
        if (refuses)
            result = std::unexpected(*refuses);
        return std::vector<Result<>>(changes.size(), result);
    }
    void read(std::function<void(Result<std::map<std::string, TableCopy>>)>) override {}
    Result<std::vector<FdbEntry>> fdb(const std::string &) override { return {}; }
    Result<std::vector<NeighEntry>> neighbours(const std::string &) override { return {}; }
};

class AgentTableWriter : public ::testing::Test, public TableWriter::Client {
  protected:
    void written(const Record &one, const WriteReason &reason) override
    {
        written_.push_back(one);
        reasons_.push_back(reason);
    }

    FakeTimers timers_;
    WrittenHost host_;
    Metrics metrics_;
    LogOnce log_{timers_};
    std::vector<Record> written_;
    std::vector<WriteReason> reasons_;
    TableWriter writer_{timers_, host_, metrics_, log_, *this};
};

TEST_F(AgentTableWriter, WritesAllOfOneTurnAtOnce)
{
    writer_.write({key(1), record(1, 2)});
    writer_.write({key(2), record(2, 2)});
    writer_.write({key(3), std::nullopt});
    EXPECT_TRUE(host_.batches.empty());
    timers_.advance(0ms);
    ASSERT_EQ(host_.batches.size(), 1U);
    EXPECT_EQ(host_.batches[0].size(), 3U);
    EXPECT_EQ(written_, (std::vector{record(1, 2), record(2, 2)})) << "a removal is not reported";
    EXPECT_EQ(metrics_.writes, 2U);
    EXPECT_EQ(metrics_.removals, 1U);
    timers_.advance(1s);
    writer_.flush();
    EXPECT_EQ(host_.batches.size(), 1U) << "nothing is left";
}

TEST_F(AgentTableWriter, TheLastChangeOfAKeyCounts)
{
    writer_.write({key(1), record(1, 2)}, {.missed = timers_.now(), .moved = true});
    writer_.write({key(1), std::nullopt});
    writer_.write({key(1), record(1, 3)}, {.awaited = true});
    writer_.flush();
    EXPECT_EQ(written_, (std::vector{record(1, 3)}));
    ASSERT_EQ(reasons_.size(), 1U);
    EXPECT_FALSE(reasons_[0].missed);
    EXPECT_TRUE(reasons_[0].awaited);
    EXPECT_TRUE(reasons_[0].moved) << "hosts have not been told yet";
    EXPECT_EQ(timers_.waiting(), 0U);
}

TEST_F(AgentTableWriter, CountsWhatTheHostRefuses)
{
    host_.refuses = system_failure("fdb add", "vxlan0", "full").error();
    writer_.write({key(1), record(1, 2)});
    writer_.flush();
    EXPECT_EQ(metrics_.write_errors, 1U);
    EXPECT_TRUE(written_.empty());
    host_.refuses.reset();
    writer_.write({key(1), record(1, 2)});
    writer_.flush();
    EXPECT_EQ(written_.size(), 1U);
}

} // namespace
} // namespace xvtep::agent
