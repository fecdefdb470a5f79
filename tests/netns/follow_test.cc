// SPDX-License-Identifier: GPL-2.0-only
// What follows the routes: the local address where none was given, as with the kernel's device, and
// the underlay ports where none was given.

#include <algorithm>
#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/support/two_hosts.h"

namespace xvtep::test {
namespace {

using nlohmann::json;

class FollowCase : public TwoHosts {
  protected:
    void SetUp() override
    {
        TwoHosts::SetUp();
        if (IsSkipped())
            return;
        for (const auto &[host, address] : {std::pair(a_, "fd00::100"), std::pair(b_, "fd00::101")})
            ip(host, fmt::format("addr add {}/64 dev u nodad", address));
        ip(a_, "link set lo up");
    }

    // The far end sends to where it has learned us, and has no default entry.
    void far_end(const std::string &local)
    {
        ip(b_, fmt::format("link add vxlan0 type vxlan id 42 dev u dstport 4789 local {}", local));
        ip(b_, "addr add 10.20.1.2/24 dev vxlan0");
        ip(b_, "link set vxlan0 up");
        in(b_, fmt::format("ip neigh add 10.20.1.1 lladdr 02:00:00:00:00:01 dev vxlan0"));
    }

    void near_end(const std::string &words)
    {
        works("attach " + words + " --vni 42 --name vxlan0 --mac 02:00:00:00:00:01");
        ip(a_, "addr add 10.20.1.1/24 dev vxlan0");
    }

    json shown() { return json::parse(run("-j show vxlan0").text)[0]; }

    bool comes(const std::function<bool()> &condition) const
    {
        for (int n = 0; n < 100; n++) {
            if (condition())
                return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return false;
    }

    // Frames that the programs themselves have received, of so many.
    unsigned fast(unsigned count)
    {
        const auto received = [&] {
            const auto stats = json::parse(run("-j stats dev vxlan0").text)[0];
            return stats["rx_packets"].get<unsigned>() -
                   (stats["passed"].contains("to_admit")
                        ? stats["passed"]["to_admit"].get<unsigned>()
                        : 0U);
        };
        const unsigned before = received();
        EXPECT_EQ(pings_lost(a_, "10.20.1.2", static_cast<int>(count), "-i 0.02"), 0);
        return received() - before;
    }
};

// Given `true`: IPv6.
class Follow : public FollowCase, public ::testing::WithParamInterface<bool> {};

TEST_P(Follow, ARenewedAddress)
{
    const bool v6 = GetParam();
    const std::string net = v6 ? "fd00::" : "192.168.8.", length = v6 ? "/64 nodad" : "/24";
    far_end(net + "101");
    near_end(fmt::format("u --remote {}101", net));
    ASSERT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_EQ(shown()["local"], net + "100");
    EXPECT_EQ(shown()["local_auto"], true);
    const std::string output = file("ping"), pid = file("pid");
    must(
        fmt::format("ip netns exec {} ping -q -i 0.01 -W 1 -c 200 10.20.1.2 >{} 2>&1 & echo $! >{}",
                    a_, output, pid));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ip(a_, fmt::format("addr flush dev u to {}", net + (v6 ? "/64" : "0/24")));
    ip(a_, fmt::format("addr add {}110{} dev u", net, length));
    must(fmt::format("timeout 20 tail --pid=$(cat {}) -f /dev/null", pid));
    const std::string text = must("cat " + output);
    int sent = 0, received = 0;
    std::sscanf(text.c_str() + text.find("---\n") + 4, "%d packets transmitted, %d received", &sent,
                &received);
    EXPECT_GT(received, sent - 60) << text; // 0.6 s at most, on a busy machine
    EXPECT_EQ(shown()["local"], net + "110");
    EXPECT_EQ(shown()["problems"], json::array());
    EXPECT_NE(in(b_, "bridge fdb show dev vxlan0").find("02:00:00:00:00:01 dst " + net + "110"),
              std::string::npos);
    EXPECT_GT(fast(30), 20U) << "by the programs";
    EXPECT_EQ(in(a_, "ip -d link show vxlan0").find(" local "), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Family, Follow, ::testing::Bool(),
                         [](const auto &one) { return std::string(one.param ? "V6" : "V4"); });

// Frames of a container behind the bridge alone: no packet of the host itself leaves.
TEST_P(Follow, ForBridgedContainers)
{
    const bool v6 = GetParam();
    const std::string net = v6 ? "fd00::" : "192.168.8.", length = v6 ? "/64 nodad" : "/24";
    far_end(net + "101");
    const std::string c = host("c");
    in(a_, "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1");
    in(c, "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1");
    wire(a_, "p", c, "eth0");
    ip(a_, "link add br0 type bridge");
    ip(a_, "link set br0 up");
    ip(a_, "link set p master br0");
    ip(c, "link set eth0 address 02:00:00:00:00:01");
    ip(c, "addr add 10.20.1.1/24 dev eth0");
    works(fmt::format("attach u --vni 42 --name vxlan0 --bridge br0 --remote {}101", net));
    ASSERT_EQ(pings_lost(c, "10.20.1.2", 10, "-i 0.02"), 0);
    ip(a_, fmt::format("addr flush dev u to {}", net + (v6 ? "/64" : "0/24")));
    ip(a_, fmt::format("addr add {}110{} dev u", net, length));
    EXPECT_TRUE(comes([&] {
        (void)pings_lost(c, "10.20.1.2", 3, "-i 0.02");
        return shown()["local"] == net + "110";
    }));
    EXPECT_EQ(pings_lost(c, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_NE(in(b_, "bridge fdb show dev vxlan0").find("02:00:00:00:00:01 dst " + net + "110"),
              std::string::npos);
}

// An entry with the VNI of another VTEP: what leaves by it has the address of its own VTEP.
TEST_P(Follow, TheOwnVtepAlone)
{
    const bool v6 = GetParam();
    const std::string net = v6 ? "fd00::" : "192.168.8.", length = v6 ? "/64 nodad" : "/24";
    ip(a_, fmt::format("addr add {}110{} dev u{}", net, length, v6 ? " preferred_lft 0" : ""));
    in(a_, "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1"); // it sends nothing of its own
    near_end(fmt::format("u --local {}110", net));
    works(fmt::format("attach u --vni 77 --name other --remote {}101", net));
    const auto other = [&] { return json::parse(run("-j show other").text)[0]["local"]; };
    const json before = other();
    ASSERT_EQ(before, net + "100");
    works(fmt::format("fdb add 02:00:00:00:00:02 dev vxlan0 dst {}101 vni 77", net));
    ip(a_, "neigh add 10.20.1.2 lladdr 02:00:00:00:00:02 dev vxlan0");
    ip(b_, fmt::format("link add vxlan0 address 02:00:00:00:00:02 type vxlan id 77 dev u dstport "
                       "4789 local {}101",
                       net));
    ip(b_, "link set vxlan0 up");
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 5, "-i 0.05"), 5);
    EXPECT_NE(in(b_, "cat /sys/class/net/vxlan0/statistics/rx_packets"), "0\n");
    EXPECT_EQ(other(), before);
}

class Routes : public FollowCase {};

// Both addresses stay, and the route has another source.
TEST_F(Routes, TheSourceOfTheRoute)
{
    far_end("192.168.8.101");
    near_end("u --remote 192.168.8.101");
    ip(a_, "addr add 192.168.8.110/24 dev u");
    ASSERT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    ip(a_, "route change 192.168.8.0/24 dev u proto kernel scope link src 192.168.8.110");
    EXPECT_TRUE(comes([&] {
        EXPECT_EQ(pings_lost(a_, "10.20.1.2", 3, "-i 0.02"), 0);
        return shown()["local"] == "192.168.8.110";
    }));
    EXPECT_GT(fast(30), 20U);
    works("set vxlan0 local 192.168.8.100");
    EXPECT_EQ(shown()["local_auto"], false);
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_EQ(shown()["local"], "192.168.8.100") << "one that was given stays";
    works("set vxlan0 local any");
    EXPECT_EQ(shown()["local"], "192.168.8.110");
}

// No packet leaves: the next command finds the address of now.
TEST_F(Routes, AnAddressThatIsGone)
{
    near_end("u --remote 192.168.8.101");
    ip(a_, "addr flush dev u to 192.168.8.0/24");
    EXPECT_EQ(shown()["problems"][0]["kind"], "local_missing");
    ip(a_, "addr add 192.168.8.120/24 dev u");
    works("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.130");
    EXPECT_EQ(shown()["local"], "192.168.8.120");
    EXPECT_EQ(shown()["problems"], json::array());
}

class WithoutPort : public FollowCase {
  protected:
    // A second way to b.
    void SetUp() override
    {
        FollowCase::SetUp();
        if (IsSkipped())
            return;
        wire(a_, "w", b_, "w");
        ip(a_, "addr add 192.168.9.100/24 dev w");
        ip(b_, "addr add 192.168.9.101/24 dev w");
        for (const auto &host : {a_, b_})
            in(host, "sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.u.rp_filter=0 "
                     "net.ipv4.conf.w.rp_filter=0");
    }
};

TEST_F(WithoutPort, RoutesLeadToIt)
{
    far_end("192.168.8.101");
    near_end("--local 192.168.8.100 --remote 192.168.8.101");
    EXPECT_EQ(shown()["dev"], "u");
    EXPECT_EQ(shown()["routed"], true);
    EXPECT_EQ(in(a_, "ip -d link show vxlan0").find(" dev u "), std::string::npos);
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_GT(fast(30), 20U);
    // The route moves to a port without programs: packets go on, and `reload` attaches.
    ip(a_, "route add 192.168.8.101/32 via 192.168.9.101 dev w");
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_EQ(shown()["problems"][0]["kind"], "underlay_unattached");
    EXPECT_EQ(shown()["problems"][0]["object"], "w");
    works("reload");
    EXPECT_EQ(shown()["problems"], json::array());
    EXPECT_EQ(shown()["dev"], json::array({"u", "w"}));
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    // A port that is gone is no problem.
    ip(a_, "route del 192.168.8.101/32");
    ip(a_, "link del w");
    EXPECT_EQ(pings_lost(a_, "10.20.1.2", 20, "-i 0.02"), 0);
    EXPECT_EQ(shown()["problems"], json::array());
    works("reload");
    EXPECT_EQ(shown()["dev"], "u");
    works("set vxlan0 ttl 9 nolearning");
    EXPECT_EQ(shown()["routed"], true);
    EXPECT_EQ(run("detach u").status, 2) << "the VTEP is on no port by name";
    works("detach vxlan0");
    EXPECT_EQ(run("show").text, "");
}

TEST_F(WithoutPort, EntriesAndRemotesBringPorts)
{
    near_end("--local 192.168.8.100");
    EXPECT_EQ(shown()["dev"], "u");
    works("fdb add 02:00:00:00:00:05 dev vxlan0 dst 192.168.9.101");
    EXPECT_EQ(shown()["dev"], json::array({"u", "w"}));
    works("detach --vni 42 vxlan0");
    near_end("--local 192.168.8.100");
    works("remote add 192.168.9.101 dev vxlan0");
    EXPECT_EQ(shown()["dev"], json::array({"u", "w"}));
    works("set vxlan0 remote 192.168.8.101");
    EXPECT_EQ(shown()["problems"], json::array());
    works("detach vxlan0");
    const std::tuple<const char *, int, const char *> cases[] = {
        {"attach --vni 43", 1, "no device given (xvtep attach DEV vni N)"},
        {"attach --vni 43 --group 239.1.1.1 --local 192.168.8.100", 1, "group needs a device"},
        {"attach --vni 43 --remote 203.0.113.1", 2, "no route leads to a port (give a device)"},
        {"attach --vni 43 --local 203.0.113.1", 2, "no route leads to a port (give a device)"},
    };
    for (const auto &[words, status, part] : cases) {
        const Output output = run(words);
        EXPECT_EQ(output.status, status) << words << output.text;
        EXPECT_NE(output.text.find(part), std::string::npos) << output.text;
    }
    EXPECT_EQ(run("show").text, "");
}

} // namespace
} // namespace xvtep::test
