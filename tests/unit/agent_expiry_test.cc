// SPDX-License-Identifier: GPL-2.0-only
// When the tables are read, and the endpoints that other hosts claim.
#include "user/agent/expiry.h"

#include <gtest/gtest.h>

#include "tests/unit/agent_fake_timers.h"
#include "user/agent/own_endpoints.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

using Copies = std::map<std::string, TableCopy>;
const Ip here = *Ip::parse("192.0.2.1"), there = *Ip::parse("192.0.2.2");

struct ReadHost : Host {
    Result<Copies> copies;
    unsigned reads = 0;
    std::function<void(Result<Copies>)> waiting; // if `slow`
    bool slow = false;

    std::vector<VtepInfo> vteps() override { return {}; }
    bool is_own(const Ip &address) override { return address == here; }
    std::vector<Result<>> write(std::span<const Change>) override { return {}; }
    void read(std::function<void(Result<Copies>)> done) override
    {
        reads++;
        if (slow)
            waiting = std::move(done);
        else
            done(copies);
    }
    Result<std::vector<FdbEntry>> fdb(const std::string &) override { return {}; }
    Result<std::vector<NeighEntry>> neighbours(const std::string &) override { return {}; }
};

VtepInfo vtep(std::uint32_t vni, const std::string &name, std::uint32_t ageing)
{
    VtepInfo info;
    info.vni = vni;
    info.name = name;
    info.ageing = ageing;
    info.reachable_time = 0; // ageing alone counts
    return info;
}

class AgentExpiry : public ::testing::Test {
  protected:
    AgentExpiry()
    {
        expiry_.before = [this] { return anything_; };
        expiry_.on_tables = [this](const VtepInfo &of, const TableCopy &tables, auto) {
            seen_[of.name] = tables.fdb.size();
        };
        expiry_.after = [this] { rounds_++; };
    }

    FakeTimers timers_;
    ReadHost host_;
    Expiry expiry_{timers_, host_};
    bool anything_ = true;
    unsigned rounds_ = 0;
    std::map<std::string, std::size_t> seen_;
};

TEST_F(AgentExpiry, ReadsFourTimesInTheShortestLifetime)
{
    expiry_.set_vteps({vtep(42, "vxlan0", 300), vtep(43, "vxlan1", 8)});
    expiry_.start();
    EXPECT_EQ(host_.reads, 1U);
    timers_.advance(1999ms);
    EXPECT_EQ(host_.reads, 1U);
    timers_.advance(1ms);
    EXPECT_EQ(host_.reads, 2U);
    expiry_.set_vteps({vtep(42, "vxlan0", 0)});
    timers_.advance(2s); // as was planned
    EXPECT_EQ(host_.reads, 3U);
    timers_.advance(29s);
    EXPECT_EQ(host_.reads, 3U) << "entries do not expire: each 30 s";
    expiry_.set_vteps({vtep(42, "vxlan0", 4)});
    timers_.advance(1s);
    EXPECT_EQ(host_.reads, 4U) << "a new VTEP: sooner than planned";
}

TEST_F(AgentExpiry, ReadsNothingForNothing)
{
    anything_ = false;
    expiry_.set_vteps({vtep(42, "vxlan0", 300)});
    expiry_.start();
    timers_.advance(5min);
    EXPECT_EQ(host_.reads, 0U);
    EXPECT_GE(rounds_, 5U);
}

TEST_F(AgentExpiry, OneReadAtATime)
{
    host_.slow = true;
    expiry_.set_vteps({vtep(42, "vxlan0", 4)});
    expiry_.start();
    timers_.advance(10s);
    expiry_.set_vteps({vtep(42, "vxlan0", 4)});
    timers_.advance(10s);
    EXPECT_EQ(host_.reads, 1U);
    EXPECT_EQ(rounds_, 0U);
    host_.waiting(system_failure("fdb show", "vxlan0", "no such device"));
    EXPECT_EQ(rounds_, 1U) << "an error ends the round";
    EXPECT_TRUE(seen_.empty());
    timers_.advance(1s);
    EXPECT_EQ(host_.reads, 2U);
}

TEST_F(AgentExpiry, TwoVtepsOfOneVniShareTheirEntries)
{
    Copies copies;
    copies["vxlan0"].fdb[Mac{{2, 0, 0, 0, 0, 1}}] = {};
    copies["vxlan1"].fdb[Mac{{2, 0, 0, 0, 0, 2}}] = {};
    copies["vxlan2"].fdb[Mac{{2, 0, 0, 0, 0, 3}}] = {};
    host_.copies = copies;
    expiry_.set_vteps({vtep(42, "vxlan0", 300), vtep(42, "vxlan1", 300), vtep(43, "vxlan2", 300),
                       vtep(44, "renamed", 300)});
    expiry_.start();
    EXPECT_EQ(seen_,
              (std::map<std::string, std::size_t>{{"vxlan0", 2}, {"vxlan1", 2}, {"vxlan2", 1}}));
}

TEST(AgentOwnEndpoints, KnowsWhatOtherHostsClaim)
{
    ReadHost host;
    OwnEndpoints own;
    const Mac mac{{2, 0, 0, 0, 0, 1}}, other{{2, 0, 0, 0, 0, 2}};
    const Ip ip = *Ip::parse("10.0.0.1"), known_as = *Ip::parse("198.51.100.1");
    const Key mac_key{42, mac}, ip_key{42, ip};
    const Record announced{42, mac, ip, here, 4789};
    EXPECT_FALSE(own.all());
    EXPECT_TRUE(own.set({})) << "nothing is not the same as not known";
    EXPECT_FALSE(own.set({}));
    EXPECT_TRUE(own.set({announced, {42, other, {}, known_as, 4789}}));
    EXPECT_TRUE(own.contains(42, mac));
    EXPECT_FALSE(own.contains(43, mac));

    EXPECT_FALSE(own.is_claimed(mac_key, announced, host)) << "our own announcement";
    EXPECT_TRUE(own.is_claimed(mac_key, {42, mac, {}, there, 0}, host));
    EXPECT_TRUE(own.is_claimed(ip_key, {42, other, ip, there, 0}, host)) << "by another MAC";
    EXPECT_FALSE(own.is_claimed({43, mac}, {43, mac, {}, there, 0}, host));
    EXPECT_FALSE(own.is_claimed({42, other}, {42, other, {}, known_as, 0}, host))
        << "announced with an address that no device here has";
}

} // namespace
} // namespace xvtep::agent
