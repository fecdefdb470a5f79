// SPDX-License-Identifier: GPL-2.0-only
// `xvtep set` on a VTEP in use: what changes in the kernel's device is what `ip link set` changes
// there; no frame is lost; what fails or is killed leaves the old options.

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tests/support/difference.h"
#include "tests/support/two_hosts.h"

namespace xvtep::test {
namespace {

using nlohmann::json;

class Set : public TwoHosts {
  protected:
    void SetUp() override
    {
        TwoHosts::SetUp();
        if (IsSkipped())
            return;
        ip(b_, "link add vxlan0 address 02:00:00:00:00:02 type vxlan id 42 dev u dstport 4789 "
               "remote 192.168.8.100 noudpcsum");
        ip(b_, "addr add 10.20.1.2/24 dev vxlan0");
        ip(b_, "link set vxlan0 up");
        // Else host b keeps a MAC that it has learned within the last second (arp_process()).
        in(b_, "sysctl -q -w net.ipv4.neigh.vxlan0.locktime=0");
    }

    void attach(const std::string &words = "")
    {
        works("attach u --vni 42 --name vxlan0 --remote 192.168.8.101 " + words);
        ip(a_, "addr add 10.20.1.1/24 dev vxlan0");
    }

    json shown() { return json::parse(run("-j show vxlan0").text)[0]; }

    json kernel_options(const std::string &host) const
    {
        return json::parse(in(host, "ip -d -j link show vxlan0"))[0]["linkinfo"]["info_data"];
    }

    // Both forwarding databases, the same lines in both.
    std::string entries()
    {
        const std::string ours = run("fdb show dev vxlan0").text;
        const std::string theirs = in(a_, "bridge fdb show dev vxlan0 | sed \"s/ *$//\"");
        EXPECT_EQ(difference(theirs, ours), "");
        return ours;
    }

    // What a VTEP is, in the tables and in the kernel.
    std::string state()
    {
        json now = shown();
        now.erase("problems");
        return fmt::format("{}\n{}\n{}", now.dump(1), kernel_options(a_).dump(1), entries());
    }

    // Runs `change` while a ping goes on; returns how many were lost.
    int lost_during(const std::function<void()> &change)
    {
        const std::string output = file("ping");
        must(fmt::format(
            "ip netns exec {0} ping -i 0.01 -W 1 -w 30 10.20.1.2 >{1} 2>&1 & echo $! >{2}; "
            "for i in $(seq 1000); do grep -q \"bytes from\" {1} && break; sleep 0.01; done",
            a_, output, file("pid")));
        change();
        must(fmt::format("kill -INT $(cat {0}); timeout 5 tail --pid=$(cat {0}) -f /dev/null",
                         file("pid")));
        std::ifstream text(output);
        const std::string all(std::istreambuf_iterator<char>(text), {});
        int sent = 0, received = 0;
        const auto line = all.find("---\n");
        std::sscanf(all.c_str() + line + 4, "%d packets transmitted, %d received", &sent,
                    &received);
        EXPECT_GT(received, 5) << all;
        return sent - received;
    }
};

TEST_F(Set, ChangesWhatTheKernelChanges)
{
    attach();
    ASSERT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    // The kernel's device of the same options, which `ip` changes in the same words.
    const std::string c = host("c");
    wire(c, "u", b_, "c");
    ip(c, "link add vxlan0 type vxlan id 42 dev u dstport 4789 remote 192.168.8.101 noudpcsum "
          "srcport 49152 65535");
    const auto expect_same = [&](const std::string &words) {
        json ours = kernel_options(a_), theirs = kernel_options(c);
        EXPECT_EQ(ours, theirs) << words << json::diff(theirs, ours);
        EXPECT_EQ(shown()["problems"], json::array()) << words;
    };
    const std::pair<const char *, json> cases[] = {
        {"ttl 9", {{"ttl", 9}}},
        {"ttl auto", {{"ttl", 64}}},
        {"tos 0x20", {{"tos", 32}}},
        {"tos inherit", {{"tos", "inherit"}}},
        {"tos 0", {{"tos", 0}}},
        {"df set", {{"df", "set"}}},
        {"df inherit", {{"df", "inherit"}}},
        {"df unset", {{"df", "unset"}}},
        {"ageing 77", {{"ageing", 77}}},
        {"nolearning", {{"learning", false}}},
        {"learning", {{"learning", true}}},
        {"local 192.168.8.100", {{"local", "192.168.8.100"}, {"local_auto", false}}},
        {"remote 192.168.8.105", {{"remote", "192.168.8.105"}, {"group", nullptr}}},
        {"remote 192.168.8.101 ttl 5 ageing 300", {{"remote", "192.168.8.101"}, {"ttl", 5}}},
    };
    const int lost = lost_during([&] {
        for (const auto &[words, expected] : cases) {
            works(fmt::format("set vxlan0 {}", words));
            ip(c, fmt::format("link set vxlan0 type vxlan {}", words));
            const json now = shown();
            for (const auto &[key, value] : expected.items())
                EXPECT_EQ(now[key], value) << words;
            expect_same(words);
        }
    });
    EXPECT_EQ(lost, 0);
}

TEST_F(Set, ChangesWhatTheProgramsDo)
{
    attach();
    const int lost = lost_during([&] {
        for (const char *words :
             {"proxy", "noproxy", "rsc", "norsc", "l2miss", "nol2miss", "l3miss l2miss",
              "nol3miss nol2miss", "maxaddress 3", "maxaddress 0", "hard-ageing 900",
              "hard-ageing 0 ageing 0", "ageing 300", "accept known", "accept any",
              "reachable-time 5", "mtu 1400", "mac 02:00:00:00:00:09", "type vxlan local any"})
            works(fmt::format("set vxlan0 {}", words));
    });
    EXPECT_EQ(lost, 0);
    const json now = shown();
    EXPECT_EQ(now["mtu"], 1400);
    EXPECT_EQ(now["mac"], "02:00:00:00:00:09");
    EXPECT_EQ(now["reachable_time"], 5);
    EXPECT_EQ(now["local_auto"], true);
    EXPECT_EQ(now["problems"], json::array());
    EXPECT_EQ(in(a_, "cat /sys/class/net/vxlan0/address"), "02:00:00:00:00:09\n");
    // The programs go by it: a bound of two entries, of which the default entry is one.
    works("fdb flush dev vxlan0 dynamic");
    works("set vxlan0 maxaddress 1 nolearning");
    EXPECT_EQ(run("fdb add 02:00:00:00:00:77 dev vxlan0 dst 192.168.8.101").status, 2);
    works("set vxlan0 maxaddress 2");
    works("fdb add 02:00:00:00:00:77 dev vxlan0 dst 192.168.8.101");
}

TEST_F(Set, OuterHeadersFollow)
{
    attach();
    ASSERT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    ip(a_, "addr add 192.168.8.120/32 dev u");
    works("set vxlan0 ttl 9 tos 0x20 df set local 192.168.8.120");
    const std::string dump = file("dump");
    must(fmt::format("ip netns exec {} timeout 10 tcpdump -lnvi u -c 6 src host 192.168.8.120 and "
                     "udp port 4789 >{} 2>&1 & echo $! >{}; for n in $(seq 50); do grep -q "
                     "listening {} && break; sleep 0.1; done",
                     b_, dump, file("pid"), dump));
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 8), 0);
    must(fmt::format("timeout 11 tail --pid=$(cat {}) -f /dev/null", file("pid")));
    const std::string seen = must(fmt::format("cat {}", dump));
    std::size_t right = 0;
    for (std::size_t at = 0; (at = seen.find("tos 0x20, ttl 9,", at)) != std::string::npos; at++)
        right++;
    EXPECT_GE(right, 6U) << seen;
    EXPECT_NE(seen.find("flags [DF]"), std::string::npos) << seen;
}

TEST_F(Set, RemotesAndGroups)
{
    attach("--nolearning");
    works("fdb add 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.101");
    works("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.130");
    works("set vxlan0 remote 192.168.8.102");
    EXPECT_EQ(difference(entries(), "02:00:00:00:00:02 dst 192.168.8.101 self permanent\n"
                                    "00:00:00:00:00:00 dst 192.168.8.130 self permanent\n"
                                    "00:00:00:00:00:00 dst 192.168.8.102 via u self permanent\n"),
              "");
    works("set vxlan0 group 239.1.1.1");
    EXPECT_EQ(shown()["group"], "239.1.1.1");
    EXPECT_EQ(shown()["remote"], nullptr);
    EXPECT_NE(in(a_, "ip maddr show dev u").find("239.1.1.1"), std::string::npos);
    works("set vxlan0 group 239.1.1.2");
    const std::string groups = in(a_, "ip maddr show dev u");
    EXPECT_NE(groups.find("239.1.1.2"), std::string::npos);
    EXPECT_EQ(groups.find("239.1.1.1\n"), std::string::npos);
    works("set vxlan0 remote 192.168.8.101");
    EXPECT_EQ(in(a_, "ip maddr show dev u").find("239.1.1."), std::string::npos);
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    works("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.130");
    works("set vxlan0 remote any");
    EXPECT_EQ(entries().find("00:00:00:00:00:00"), std::string::npos);
    EXPECT_EQ(shown()["remote"], nullptr);
    EXPECT_EQ(shown()["problems"], json::array());
}

TEST_F(Set, RefusesWhatCannotChange)
{
    attach("--nolearning"); // no frame changes a table
    const std::string before = state();
    const std::tuple<const char *, int, const char *> cases[] = {
        {"set vxlan0 vni 43", 1, "vni is refused: the kernel cannot change it"},
        {"set vxlan0 id 43", 1, "the kernel cannot change it"},
        {"set vxlan0 dstport 4790", 1, "dstport is refused"},
        {"set vxlan0 srcport 1 2", 1, "srcport is refused"},
        {"set vxlan0 udpcsum", 1, "udpcsum is refused"},
        {"set vxlan0 noudpcsum", 1, "noudpcsum is refused"},
        {"set vxlan0 gbp", 1, "gbp is refused"},
        {"set vxlan0 reserved-bits 0", 1, "reserved-bits is refused"},
        {"set vxlan0 name other", 1, "ip link set IFNAME name NAME"},
        {"set vxlan0 bridge br0", 1, "ip link set IFNAME master BR"},
        {"set vxlan0 mode xdp", 1, "belongs to the underlay ports"},
        {"set vxlan0 ttl inherit", 2, "cannot change ttl to or from inherit"},
        {"set vxlan0 ttl 300", 1, "ttl 300 is not within"},
        {"set vxlan0 ttl", 1, "ttl needs a value"},
        {"set vxlan0 flowlabel 5", 1, "flowlabel needs an IPv6 underlay"},
        {"set vxlan0 remote fd00::1", 1, "are of different families"},
        {"set vxlan0 group ff05::1", 1, "are of different families"},
        {"set vxlan0 remote 239.1.1.1", 1, "is multicast (give it as group)"},
        {"set vxlan0 group 10.0.0.1", 1, "is not multicast"},
        {"set vxlan0 remote 10.0.0.1 group 239.1.1.1", 1, "exclude each other"},
        {"set vxlan0 local 10.0.0.1 local 10.0.0.2", 1, "local is given twice"},
        {"set vxlan0 mac 01:00:00:00:00:01", 1, "is not a host"},
        {"set vxlan0 mtu 20", 1, "mtu 20 is not within"},
        {"set vxlan0 type gre ttl 5", 1, "type gre is not vxlan"},
        {"set vxlan0 nonsense", 1, "what is \"nonsense\"?"},
        {"set nothing ttl 5", 2, "no such device"},
        {"set u ttl 5", 2, "not a VTEP of xvtep"},
        {"set vxlan0", 1, "nothing to set"},
    };
    for (const auto &[words, status, part] : cases) {
        const Output output = run(words);
        EXPECT_EQ(output.status, status) << words << output.text;
        EXPECT_NE(output.text.find(part), std::string::npos) << words << "\n" << output.text;
        EXPECT_EQ(std::ranges::count(output.text, '\n'), 1) << output.text;
    }
    EXPECT_EQ(difference(before, state()), "");
    must(fmt::format("printf \"set vxlan0 ttl 7\\nset vxlan0 vni 5\\n\" >{}", file("batch")));
    const Output batch = run("-batch " + file("batch"));
    EXPECT_EQ(batch.status, 1) << batch.text;
    EXPECT_EQ(shown()["ttl"], 7) << "a batch keeps what came before";
}

TEST_F(Set, OneDeviceForManyVnis)
{
    works("attach u --vni 1001-1010 --vlan 1-10 --name vxlan0 --remote 192.168.8.101");
    works("set vxlan0 ttl 9 tos 0x20 ageing 60 nolearning accept known local 192.168.8.100");
    const json now = shown();
    EXPECT_EQ(now["ttl"], 9);
    EXPECT_EQ(now["ageing"], 60);
    EXPECT_EQ(now["problems"], json::array()) << now.dump(1);
    const Output refused = run("set vxlan0 remote 192.168.8.102");
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.text.find("each of its VNIs has a default entry of its own"),
              std::string::npos);
    works("set vxlan0 local any accept any");
    EXPECT_EQ(shown()["local_auto"], true);
    works("vni add dev vxlan0 vni 2001 vlan 100");
}

TEST_F(Set, FailedOrKilled)
{
    attach("--local 192.168.8.100");
    for (const auto &host : {a_, b_})
        in(host, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1"); // no frame changes a table
    works("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.130");
    works("fdb add 02:00:00:00:00:33 dev vxlan0 dst 192.168.8.131 vni 7");
    const std::string to = "set vxlan0 remote 192.168.8.105 ttl 9 ageing 33 accept known tos 0x10",
                      back = "set vxlan0 remote 192.168.8.101 ttl auto ageing 300 accept any tos 0";
    const std::string before = state();
    must(fmt::format("XVTEP_FAULT_COUNT={} {} {} -n {} {}", file("count"), XVTEP_FAULTS, xvtep(),
                     a_, to));
    const std::string after = state();
    unsigned calls = 0;
    std::ifstream(file("count")) >> calls;
    ASSERT_GT(calls, 20U);
    constexpr unsigned points = 4;
    for (unsigned n = 0; n < 2 * points && !HasFailure(); n++) {
        works(back);
        ASSERT_EQ(difference(before, state()), "");
        const bool kills = n % 2 != 0;
        const unsigned at = 1 + n * calls / (2 * points);
        SCOPED_TRACE(fmt::format("call {} of {} {}", at, calls, kills ? "kills" : "fails"));
        const Output output = sh(fmt::format("XVTEP_FAULT={}:{} {} {} -n {} {}", at,
                                             kills ? 0 : ENOMEM, XVTEP_FAULTS, xvtep(), a_, to));
        if (!kills) {
            EXPECT_TRUE(output.status == 0 || output.status == 2) << output.text;
            EXPECT_EQ(difference(output.status == 0 ? after : before, state()), "") << output.text;
        }
        EXPECT_EQ(run("detach lo").status, 2); // puts right what is not whole
        const std::string now = state();
        const std::string from_before = difference(before, now),
                          from_after = difference(after, now);
        EXPECT_TRUE(from_before.empty() || from_after.empty()) << from_before << "to after:\n"
                                                               << from_after;
        EXPECT_EQ(shown()["problems"], json::array());
    }
}

// Given `true`: an IPv6 underlay.
class SetInUse : public TwoHosts, public ::testing::WithParamInterface<bool> {};

// A stream and pings go on over all changes. Neither another tenant of the far host nor a third
// host gets any of their packets.
TEST_P(SetInUse, NothingIsLost)
{
    const std::string net = GetParam() ? "fd00::" : "192.168.8.";
    const std::string length = GetParam() ? "/64 nodad" : "/24";
    const std::string c = host("c");
    wire(a_, "w", c, "u");
    for (const auto &[host, dev, last] :
         {std::tuple(a_, "u", "100"), std::tuple(a_, "u", "120"), std::tuple(b_, "u", "101"),
          std::tuple(b_, "u", "102"), std::tuple(c, "u", "103")}) {
        in(host, "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1"); // pings and the stream alone
        if (GetParam() || last == std::string("120") || last == std::string("102") || host == c)
            ip(host, fmt::format("addr add {}{}{} dev {}", net, last, length, dev));
    }
    for (const auto &[host, name, vni, address] : {std::tuple(b_, "vxlan0", 42, "10.20.1.2/24"),
                                                   std::tuple(b_, "tenant", 43, "10.20.2.2/24"),
                                                   std::tuple(c, "vxlan0", 42, "10.20.1.3/24")}) {
        ip(host, fmt::format("link add {} type vxlan id {} dev u dstport 4789 {}", name, vni,
                             GetParam() ? "local " + net + (host == c ? "103" : "101") : ""));
        ip(host, fmt::format("addr add {} dev {}", address, name));
        ip(host, fmt::format("link set {} up", name));
    }
    works(fmt::format("attach u --vni 42 --name vxlan0 --remote {}101 --local {}100", net, net));
    ip(a_, "addr add 10.20.1.1/24 dev vxlan0");
    ASSERT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    must(fmt::format("(ip netns exec {0} ping -q -i 0.005 -W 1 -w 30 10.20.1.2 >{2} & echo $! "
                     ">{3}; wait) >{7} 2>&1 & "
                     "(ip netns exec {1} timeout 25 sh -c \"for n in 1 2 3 4; do python3 "
                     "{4}/tests/support/receive.py 10.20.1.2; done\" >{5} 2>&1) & "
                     "(ip netns exec {0} timeout 25 sh -c \"for n in 1 2 3 4; do python3 "
                     "{4}/tests/support/send.py 10.20.1.2; done\" >{6} 2>&1; echo done >>{6}) >{7} "
                     "2>&1 & sleep 0.3",
                     a_, b_, file("ping"), file("pid"), XVTEP_SOURCE_DIR, file("got"), file("sent"),
                     file("rest")));
    for (const std::string words :
         {"ttl 9", "tos 0x20", "df set", "ageing 77", "nolearning", "learning", "l2miss l3miss",
          "nol2miss nol3miss", "maxaddress 100", "mtu 1400", "local NET120", "remote NET102",
          "local any", "remote NET101 local NET100 ttl auto tos 0 df unset ageing 300"}) {
        std::string all = words;
        for (std::size_t at = 0; (at = all.find("NET")) != std::string::npos;)
            all.replace(at, 3, net);
        works("set vxlan0 " + all);
    }
    must(
        fmt::format("kill -INT $(cat {0}); timeout 5 tail --pid=$(cat {0}) -f /dev/null; "
                    "for n in $(seq 100); do grep -q done {1} && break; sleep 0.1; done; sleep 0.2",
                    file("pid"), file("sent")));
    const std::string pings = must("cat " + file("ping"));
    int sent = 0, received = 0;
    std::sscanf(pings.c_str() + pings.find("---\n") + 4, "%d packets transmitted, %d received",
                &sent, &received);
    EXPECT_GT(received, 20) << pings;
    EXPECT_EQ(sent, received) << pings;
    const std::string digests = must("cat " + file("sent"));
    EXPECT_EQ(std::ranges::count(digests, '\n'), 5) << digests;
    EXPECT_EQ(must("cat " + file("got")) + "done\n", digests);
    for (const auto &[host, name] : {std::pair(b_, "tenant"), std::pair(c, "vxlan0")})
        EXPECT_EQ(in(host, fmt::format("cat /sys/class/net/{}/statistics/rx_packets", name)), "0\n")
            << name;
}

INSTANTIATE_TEST_SUITE_P(Family, SetInUse, ::testing::Bool(),
                         [](const auto &one) { return std::string(one.param ? "V6" : "V4"); });

// Two at once, and all the while: each is whole.
TEST_F(Set, TwiceAtOnce)
{
    attach();
    const std::string set = fmt::format("{} -n {} set vxlan0", xvtep(), a_);
    must(fmt::format("for n in 1 2 3 4 5 6; do {0} ttl 11 ageing 11 remote 192.168.8.111 & {0} ttl "
                     "22 ageing 22 remote 192.168.8.122 & done; wait",
                     set));
    const json now = shown();
    const bool first = now["ttl"] == 11;
    EXPECT_EQ(now["ttl"], first ? 11 : 22);
    EXPECT_EQ(now["ageing"], first ? 11 : 22);
    EXPECT_EQ(now["remote"], first ? "192.168.8.111" : "192.168.8.122");
    EXPECT_EQ(now["problems"], json::array());
    entries();
}

} // namespace
} // namespace xvtep::test
