// SPDX-License-Identifier: GPL-2.0-only
// What a peer makes up does not stay: learned entries leave the tables by themselves.
//
//   a ==u1======u2== b      b sends VXLAN with made-up inner sources

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>

#include "tests/program/packet.h"
#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/datapath/datapath.h"
#include "xvtep/fdb.h"

namespace xvtep::test {
namespace {

class Ageing : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        b_ = host("b");
        wire(a_, "u1", b_, "u2");
        for (const auto &name : {a_, b_})
            in(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
        ip(a_, "addr add 192.168.8.100/24 dev u1");
        const std::string mac = in(a_, "cat /sys/class/net/u1/address");
        u1_ = mac.substr(0, 17);
    }

    void attach(const std::string &options)
    {
        must(fmt::format("{} -n {} attach u1 --vni 42 --name vxlan0 {}", xvtep(), a_, options));
    }

    // One frame from each of the MACs 02:00:00:00:HH:LL, `from` and on.
    void hear(unsigned from, unsigned count) const
    {
        const auto netns = Netns::open(b_);
        const auto scope = netns->enter();
        const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex("u2"));
        for (unsigned n = from; n < from + count; n++) {
            const std::string source = fmt::format("02:00:00:00:{:02x}:{:02x}", n >> 8, n & 0xff);
            const Bytes frame =
                Ether{.dst = u1_.c_str()} /
                (Ipv4{.src = "192.168.8.101", .dst = "192.168.8.100"} /
                 (Udp{} /
                  (Vxlan{} /
                   (Ether{.dst = "ff:ff:ff:ff:ff:ff", .src = source.c_str(), .type = 0x88b5} /
                    payload(46)))));
            ASSERT_EQ(::sendto(socket.get(), frame.data(), frame.size(), 0,
                               reinterpret_cast<const sockaddr *>(&to), sizeof(to)),
                      static_cast<ssize_t>(frame.size()));
        }
    }

    [[nodiscard]] Tables tables() const
    {
        const auto cookie = Netns::open(a_)->cookie();
        auto opened = Tables::open(fmt::format("/sys/fs/bpf/xvtep/{}", *cookie));
        EXPECT_TRUE(opened.has_value());
        return std::move(*opened);
    }

    // In the tables, live or not.
    [[nodiscard]] std::size_t kept() const { return tables().fdb.entries()->size(); }

    [[nodiscard]] std::size_t shown() const
    {
        const auto text = must(fmt::format("{} -n {} fdb show dev vxlan0", xvtep(), a_));
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    }

    std::string a_, b_, u1_;
};

TEST_F(Ageing, WhatNobodyLooksUpIsRemovedToo)
{
    attach("--ageing 2");
    hear(0, 5000);
    EXPECT_EQ(shown(), 5000U);
    EXPECT_EQ(kept(), 5000U);
    ::usleep(2'500'000);
    EXPECT_EQ(shown(), 0U) << "gone for everyone at once";
    for (int i = 0; i < 60 && kept() != 0; i++)
        ::usleep(250'000);
    const Tables now = tables();
    EXPECT_EQ(now.fdb.entries()->size(), 0U);
    EXPECT_EQ(now.gc_queue.entries()->size(), 0U);
    EXPECT_EQ(now.fdb_count[1], 0U);
    hear(0, 10); // and the timer starts again
    EXPECT_EQ(shown(), 10U);
    for (int i = 0; i < 40 && kept() != 0; i++)
        ::usleep(250'000);
    EXPECT_EQ(kept(), 0U);
}

TEST_F(Ageing, ReceptionKeepsAnEntryAndReloadsDoNot)
{
    attach("--ageing 2");
    for (int i = 0; i < 14; i++) { // three times the ageing
        hear(1, 1);
        ::usleep(450'000);
        if (i == 5)
            must(fmt::format("{} -n {} reload", xvtep(), a_));
    }
    EXPECT_EQ(shown(), 1U);
    ::usleep(2'600'000);
    EXPECT_EQ(shown(), 0U);
}

TEST_F(Ageing, HardAgeingEndsAnEntryThatIsHeardOf)
{
    attach("--ageing 60 --hard-ageing 2");
    hear(1, 1);
    const auto created = tables().fdb.entries()->at(0).second.created;
    ::usleep(1'200'000);
    hear(1, 1);
    EXPECT_EQ(tables().fdb.entries()->at(0).second.created, created);
    ::usleep(1'200'000);
    EXPECT_EQ(shown(), 0U) << "2 s after it was made, though heard of since";
    hear(1, 1);
    EXPECT_EQ(shown(), 1U) << "learned anew";
    // What is said by hand is not learned.
    must(fmt::format("{} -n {} fdb add 02:00:00:00:00:09 dev vxlan0 dst 192.168.8.101 dynamic",
                     xvtep(), a_));
    ::usleep(2'400'000);
    EXPECT_EQ(shown(), 1U);
}

TEST_F(Ageing, WhatIsLearnedIsToldFromWhatIsWritten)
{
    attach("--remote 192.168.8.102 --ageing 60");
    hear(1, 1);
    must(fmt::format("{} -n {} fdb add 02:00:00:00:00:09 dev vxlan0 dst 192.168.8.101 dynamic",
                     xvtep(), a_));
    const auto netns = Netns::open(a_);
    const auto scope = netns->enter();
    const auto fdb = show_fdb("vxlan0");
    ASSERT_TRUE(fdb.has_value()) << fdb.error().message();
    std::string seen;
    for (const auto &entry : *fdb)
        seen += fmt::format("{} {}\n", entry.mac.text(), entry.learned);
    EXPECT_EQ(seen, "00:00:00:00:00:00 false\n02:00:00:00:00:01 true\n02:00:00:00:00:09 false\n");
    // Said by hand, it is learned no more, whatever is heard.
    FdbEntry entry = fdb->at(1);
    ASSERT_TRUE(write_fdb(FdbVerb::replace, entry).has_value());
    hear(1, 1);
    EXPECT_FALSE(get_fdb(entry.mac, "vxlan0")->at(0).learned);
}

TEST_F(Ageing, MaxaddressBoundsWhatIsLearned)
{
    attach("--ageing 2 --maxaddress 3");
    hear(0, 10);
    EXPECT_EQ(shown(), 3U);
    EXPECT_EQ(tables().fdb_count[1], 3U);
    ::usleep(2'500'000);
    // By hand there is room at once, by learning once the timer has been.
    must(fmt::format("{} -n {} fdb add 02:00:00:00:01:00 dev vxlan0 dst 192.168.8.101", xvtep(),
                     a_));
    for (int i = 0; i < 40 && tables().fdb_count[1] != 1; i++)
        ::usleep(100'000);
    hear(20, 10);
    EXPECT_EQ(shown(), 3U);
    EXPECT_EQ(tables().fdb_count[1], 3U);
    must(fmt::format("{} -n {} fdb flush dev vxlan0", xvtep(), a_));
    EXPECT_EQ(tables().fdb_count[1], 0U);
}

} // namespace
} // namespace xvtep::test
