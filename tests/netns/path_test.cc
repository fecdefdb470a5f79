// SPDX-License-Identifier: GPL-2.0-only
// Packets larger than the path: told, split, and put together again.
//
//   c1 --eth0-- h1 ==u==== r ====u== h2 --eth0-- c2     containers and VTEPs with an MTU of 1500

#include "tests/support/netns_case.h"

namespace xvtep::test {
namespace {

enum class Way { bridge, port, kernel };

struct PathCase {
    const char *name;
    bool v6 = false;
    Way first = Way::bridge, second = Way::bridge;
    const char *options = ""; // of xvtep's ends
};

void PrintTo(const PathCase &path, std::ostream *out)
{
    *out << path.name;
}

class Path : public NetnsCase, public ::testing::WithParamInterface<PathCase> {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        const PathCase &t = GetParam();
        r_ = host("r");
        in(r_, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        for (const int n : {1, 2}) {
            const auto &h = h_[n] = host(fmt::format("h{}", n));
            const auto &c = c_[n] = host(fmt::format("c{}", n));
            const int other = 3 - n;
            wire(h, "u", r_, fmt::format("r{}", n));
            wire(h, "v", c, "eth0");
            ip(h, fmt::format("addr add 192.168.{0}.{0}/24 dev u", n));
            ip(h, fmt::format("addr add fd0{0}::{0}/64 dev u nodad", n));
            ip(r_, fmt::format("addr add 192.168.{0}.254/24 dev r{0}", n));
            ip(r_, fmt::format("addr add fd0{0}::fe/64 dev r{0} nodad", n));
            ip(h, fmt::format("route add 192.168.{}.0/24 via 192.168.{}.254", other, n));
            ip(h, fmt::format("route add fd0{}::/64 via fd0{}::fe", other, n));
            ip(c, fmt::format("addr add 10.20.1.{}/24 dev eth0", n));
            ip(c, fmt::format("addr add fd20::{}/64 dev eth0 nodad", n));
            const std::string from = address(n), to = address(other);
            const Way way = n == 1 ? t.first : t.second;
            if (way == Way::kernel) {
                ip(h, fmt::format("link add vxlan0 mtu 1500 type vxlan id 42 dev u local {} remote "
                                  "{} dstport 4789 {}",
                                  from, to, t.v6 ? "udp6zerocsumtx udp6zerocsumrx" : "noudpcsum"));
                ip(h, "link add br0 type bridge");
                ip(h, "link set br0 up");
                ip(h, "link set vxlan0 master br0 up");
            } else {
                must(fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --local {} --remote {} "
                                 "--mtu 1500 {} {} {}",
                                 xvtep(), h, from, to, way == Way::bridge ? "--bridge br0" : "",
                                 t.v6 ? "--udp6zerocsumtx --udp6zerocsumrx" : "", t.options));
            }
            if (way == Way::port)
                must(fmt::format("{} -n {} port add v --vni 42", xvtep(), h));
            else
                ip(h, "link set v master br0");
        }
    }

    [[nodiscard]] static std::string address(int n)
    {
        return GetParam().v6 ? fmt::format("fd0{0}::{0}", n) : fmt::format("192.168.{0}.{0}", n);
    }

    [[nodiscard]] int room(int path) const { return path - (GetParam().v6 ? 70 : 50); }

    // What a container is told when it sends `mtu` octets of IP that may not be split.
    std::string told(bool v6, int mtu) const
    {
        return sh(fmt::format("ip netns exec {} ping -M do -c 2 -i 0.2 -W 1 -s {} {}", c_[1],
                              mtu - (v6 ? 48 : 28), v6 ? "fd20::2" : "10.20.1.2"))
            .text;
    }

    std::string r_, h_[3], c_[3];
};

TEST_P(Path, TheSenderIsTold)
{
    ASSERT_EQ(pings_lost(c_[1], "10.20.1.2"), 0);
    ASSERT_EQ(pings_lost(c_[1], "fd20::2"), 0);
    EXPECT_NE(told(false, 1500).find(fmt::format("mtu = {}", room(1500))), std::string::npos)
        << told(false, 1500);
    EXPECT_NE(told(true, 1500).find(fmt::format("mtu: {}", room(1500))), std::string::npos)
        << told(true, 1500);
    // And TCP, whose packets are GSO's, finds its way.
    const std::string sums = must(fmt::format(
        "ip netns exec {0} timeout 20 python3 {1}/tests/support/receive.py 10.20.1.2 & "
        "ip netns exec {2} timeout 20 python3 {1}/tests/support/send.py 10.20.1.2; wait",
        c_[2], XVTEP_SOURCE_DIR, c_[1]));
    ASSERT_EQ(std::count(sums.begin(), sums.end(), '\n'), 2) << sums;
    EXPECT_EQ(sums.substr(0, sums.find('\n')), sums.substr(sums.find('\n') + 1, sums.find('\n')));
}

TEST_P(Path, WhatMayBeSplitIs)
{
    // Nor does the kernel's device split on IPv6.
    if (GetParam().v6 ||
        std::string_view(GetParam().options).find("--df set") != std::string_view::npos)
        return;
    ASSERT_EQ(pings_lost(c_[1], "10.20.1.2"), 0);
    EXPECT_EQ(pings_lost(c_[1], "10.20.1.2", 3, "-M dont -i 0.05 -s 1472"), 0);
    EXPECT_EQ(pings_lost(c_[2], "10.20.1.1", 3, "-M dont -i 0.05 -s 1472"), 0);
    EXPECT_EQ(pings_lost(c_[1], "10.20.1.2", 3, "-M dont -i 0.05 -s 4000"), 0);
}

// A router's word counts for what is sent behind it, with DF set outside.
TEST_P(Path, RoutersAreHeard)
{
    if (std::string_view(GetParam().options).find("--df set") == std::string_view::npos)
        return;
    ip(r_, "link set r2 mtu 1400");
    ASSERT_EQ(pings_lost(c_[1], "10.20.1.2"), 0);
    (void)told(false, 1440); // the first finds the router
    ::usleep(1'100'000);
    // By ICMP, or by the container's own kernel, which remembers what ICMP has said before.
    const std::string text = told(false, 1440);
    EXPECT_TRUE(text.find(fmt::format("mtu = {}", room(1400))) != std::string::npos ||
                text.find(fmt::format("mtu={}", room(1400))) != std::string::npos)
        << text;
}

constexpr PathCase cases[] = {
    {.name = "Bridges"},
    {.name = "BridgesIpv6", .v6 = true},
    {.name = "Ports", .first = Way::port, .second = Way::port},
    {.name = "PortsIpv6", .v6 = true, .first = Way::port, .second = Way::port},
    {.name = "PortAndKernel", .first = Way::port, .second = Way::kernel},
    {.name = "BridgeAndKernel", .second = Way::kernel},
    {.name = "DfSet", .options = "--df set"},
    {.name = "DfSetPorts", .first = Way::port, .second = Way::port, .options = "--df set"},
};

INSTANTIATE_TEST_SUITE_P(Cases, Path, ::testing::ValuesIn(cases),
                         [](const auto &path) { return path.param.name; });

class SeveralPorts : public NetnsCase {};

// Which of its ports a packet will leave by is not known before one has left, nor a second later.
TEST_F(SeveralPorts, HaveTheirWholeMtu)
{
    const std::string a = host("a"), b = host("b");
    wire(a, "u", b, "u");
    wire(a, "v", b, "v");
    ip(a, "addr add 192.168.8.1/24 dev u");
    ip(b, "addr add 192.168.8.2/24 dev u");
    must(
        fmt::format("{} -n {} attach u v --vni 42 --name vxlan0 --remote 192.168.8.2", xvtep(), a));
    ip(b, "link add vxlan0 type vxlan id 42 dev u remote 192.168.8.1 dstport 4789");
    ip(b, "link set vxlan0 up");
    ip(a, "addr add 10.20.1.1/24 dev vxlan0");
    ip(b, "addr add 10.20.1.2/24 dev vxlan0");
    EXPECT_EQ(pings_lost(a, "10.20.1.2", 3, "-M do -i 1.2 -s 1422"), 0);
}

} // namespace
} // namespace xvtep::test
