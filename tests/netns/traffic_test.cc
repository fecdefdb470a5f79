// SPDX-License-Identifier: GPL-2.0-only
// Two hosts, a container on each, one table of topologies: xvtep or the kernel's device at either
// end, IPv4 or IPv6 underlay, every mode, bridge or fast-path port.
//
//   c1 --eth0-- host1 ==u1======u2== host2 --eth0-- c2

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"

namespace xvtep::test {
namespace {

enum class End { xvtep, kernel };

struct Topology {
    const char *name;
    End first = End::xvtep, second = End::xvtep;
    bool v6 = false;
    const char *mode = "auto";
    bool ports = false;
    const char *port_mode = "auto";
    bool bridge = true; // else ports alone make the switch
    unsigned mtu = 1500;
    unsigned dstport = 4789;
    const char *options = "";        // of xvtep's ends
    const char *kernel_options = ""; // of the kernel's
};

void PrintTo(const Topology &topology, std::ostream *out)
{
    *out << topology.name;
}

class Traffic : public NetnsCase, public ::testing::WithParamInterface<Topology> {
  protected:
    void build(const Topology &t)
    {
        for (const int n : {1, 2}) {
            hosts_[n] = host(fmt::format("h{}", n));
            containers_[n] = host(fmt::format("c{}", n));
        }
        wire(hosts_[1], "u1", hosts_[2], "u2", t.mtu);
        for (const int n : {1, 2}) {
            ip(hosts_[n], fmt::format("addr add 192.168.8.10{}/24 dev u{}", n, n));
            ip(hosts_[n], fmt::format("addr add fd08::10{}/64 dev u{} nodad", n, n));
        }
        const bool xdp = std::string_view(t.mode) != "auto" && std::string_view(t.mode) != "tc";
        for (const int n : {1, 2}) {
            wire(hosts_[n], "v", containers_[n], "eth0", t.mtu - (t.v6 ? 70U : 50U));
            // Frames that XDP takes must be finished: nothing fills a checksum in later.
            if (xdp) {
                in(hosts_[n], fmt::format("ethtool -K u{} tx off tso off gso off", n));
                in(containers_[n], "ethtool -K eth0 tx off");
            }
            vtep(t, n);
            if (t.bridge)
                ip(hosts_[n], "link set v master br0");
            if (t.ports && (n == 1 ? t.first : t.second) == End::xvtep)
                must(fmt::format("{} -n {} port add v --vni 42 --mode {}", xvtep(), hosts_[n],
                                 t.port_mode));
            ip(containers_[n], fmt::format("addr add 10.20.1.{}/24 dev eth0", n));
            ip(containers_[n], fmt::format("addr add fd20::{}/64 dev eth0 nodad", n));
        }
    }

    void vtep(const Topology &t, int n)
    {
        const int other = 3 - n;
        const std::string net = t.v6 ? "fd08::10" : "192.168.8.10";
        if ((n == 1 ? t.first : t.second) == End::xvtep) {
            must(fmt::format("{} -n {} attach u{} --vni 42 --name vxlan0 --local {}{} --remote "
                             "{}{} --dstport {} --mode {} {} {}",
                             xvtep(), hosts_[n], n, net, n, net, other, t.dstport, t.mode,
                             t.bridge ? "--bridge br0" : "", t.options));
            return;
        }
        ip(hosts_[n], fmt::format("link add vxlan0 type vxlan id 42 dev u{} local {}{} remote "
                                  "{}{} dstport {} {}",
                                  n, net, n, net, other, t.dstport, t.kernel_options));
        ip(hosts_[n], "link add br0 type bridge");
        ip(hosts_[n], "link set br0 up");
        ip(hosts_[n], "link set vxlan0 master br0 up");
    }

    std::string hosts_[3], containers_[3];
};

TEST_P(Traffic, EverythingCrosses)
{
    const Topology &t = GetParam();
    build(t);
    if (HasFailure())
        return;
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2"), 0) << "not even the first may be lost";
    EXPECT_EQ(pings_lost(containers_[1], "fd20::2"), 0);
    EXPECT_EQ(pings_lost(containers_[2], "10.20.1.1"), 0);
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 3, "-i 0.05 -s 1372"), 0) << "1,400 bytes";
    const int largest = static_cast<int>(t.mtu) - (t.v6 ? 70 : 50) - 28;
    EXPECT_EQ(
        pings_lost(containers_[1], "10.20.1.2", 3, fmt::format("-M do -i 0.05 -s {}", largest)), 0)
        << "the largest that fits";

    // Content, not only arrival: the sum of what came is the sum of what went.
    for (const auto &[from, to] : {std::pair(1, 2), std::pair(2, 1)})
        for (const std::string net : {"10.20.1.", "fd20::"}) {
            const bool v6 = net[0] == 'f';
            const std::string sum = must(fmt::format(
                "ip netns exec {0} timeout 20 python3 {3}/tests/support/receive.py {1}{2} & "
                "ip netns exec {4} timeout 20 python3 {3}/tests/support/send.py {1}{2}; "
                "wait",
                containers_[to], net, to, XVTEP_SOURCE_DIR, containers_[from]));
            std::vector<std::string> lines;
            for (std::size_t at = 0, end = 0; (end = sum.find('\n', at)) != std::string::npos;
                 at = end + 1)
                lines.push_back(sum.substr(at, end - at));
            ASSERT_EQ(lines.size(), 2U) << sum;
            EXPECT_EQ(lines[0], lines[1]) << (v6 ? "IPv6" : "IPv4");
        }

    for (const int n : {1, 2})
        if ((n == 1 ? t.first : t.second) == End::xvtep) {
            const auto stats = nlohmann::json::parse(
                must(fmt::format("{} -n {} -j stats dev vxlan0", xvtep(), hosts_[n])));
            ASSERT_EQ(stats.size(), 1U);
            EXPECT_GT(stats[0]["rx_packets"].get<int>(), 20);
            int dropped = 0;
            for (const auto &[reason, count] : stats[0]["drops"].items())
                if (reason != "port_copy") // a bridge's flood copies
                    dropped += count.get<int>();
            EXPECT_EQ(dropped, 0) << stats.dump(1);
            must(fmt::format("{} -n {} detach u{}", xvtep(), hosts_[n], n));
            const std::string left = must(fmt::format("ip -n {} -d link show u{}", hosts_[n], n));
            EXPECT_EQ(left.find("xdp"), std::string::npos) << left;
            EXPECT_EQ(must(fmt::format("tc -n {} qdisc show dev u{}", hosts_[n], n)).find("clsact"),
                      std::string::npos);
        }
}

constexpr Topology topologies[] = {
    {.name = "both_xvtep"},
    {.name = "kernel_far", .second = End::kernel},
    {.name = "kernel_near", .first = End::kernel},
    {.name = "kernel_far_udpcsum", .second = End::kernel, .kernel_options = "udpcsum"},
    {.name = "udpcsum", .second = End::kernel, .options = "--udpcsum"},
    {.name = "both_kernel", .first = End::kernel, .second = End::kernel},
    {.name = "port_8472", .second = End::kernel, .dstport = 8472},
    {.name = "v6", .v6 = true},
    {.name = "v6_kernel_far", .second = End::kernel, .v6 = true},
    {.name = "v6_zero_checksum",
     .second = End::kernel,
     .v6 = true,
     .options = "--udp6zerocsumtx --udp6zerocsumrx",
     .kernel_options = "udp6zerocsumtx udp6zerocsumrx"},
    {.name = "jumbo", .mtu = 9500},
    {.name = "jumbo_kernel_far", .second = End::kernel, .mtu = 9500},
    {.name = "ports", .ports = true},
    {.name = "ports_kernel_far", .second = End::kernel, .ports = true},
    {.name = "ports_v6", .v6 = true, .ports = true},
    {.name = "ports_xdp", .ports = true, .port_mode = "xdp"},
    {.name = "ports_without_bridge", .ports = true, .bridge = false},
    {.name = "xdp", .mode = "xdp"},
    {.name = "xdp_kernel_far", .second = End::kernel, .mode = "xdp"},
    {.name = "xdp_v6", .v6 = true, .mode = "xdp"},
    {.name = "xdp_jumbo", .mode = "xdp", .mtu = 9500},
    {.name = "xdp_ports", .mode = "xdp", .ports = true},
    {.name = "xdp_ports_xdp", .mode = "xdp", .ports = true, .port_mode = "xdp"},
    {.name = "xdp_ports_kernel_far", .second = End::kernel, .mode = "xdp", .ports = true},
    {.name = "skb", .mode = "skb"},
    {.name = "skb_kernel_far", .second = End::kernel, .mode = "skb"},
};

INSTANTIATE_TEST_SUITE_P(Topologies, Traffic, ::testing::ValuesIn(topologies),
                         [](const auto &test) { return std::string(test.param.name); });

class Reload : public NetnsCase, public ::testing::WithParamInterface<const char *> {};

TEST_P(Reload, TenUnderAFloodOfPingsLoseNothing)
{
    const std::string a = host("a"), b = host("b");
    wire(a, "u1", b, "u2");
    for (const auto &[ns, n] : {std::pair(a, 1), std::pair(b, 2)}) {
        ip(ns, fmt::format("addr add 192.168.8.10{}/24 dev u{}", n, n));
        must(fmt::format("{} -n {} attach u{} --vni 42 --name vxlan0 --remote 192.168.8.10{} "
                         "--mode {}",
                         xvtep(), ns, n, 3 - n, GetParam()));
        ip(ns, fmt::format("addr add 10.20.1.{}/24 dev vxlan0", n));
    }
    // The flood outlasts the reloads: it is stopped, not counted out.
    const std::string text =
        must(fmt::format("ip netns exec {0} timeout -s INT 140 ping -q -f -c 10000000 10.20.1.2 > "
                         "{3} & p=$!; sleep 0.3; for i in 1 2 3 4 5 6 7 8 9 10; do "
                         "{1} -n {0} reload && {1} -n {2} reload || exit 9; done; "
                         "pkill -INT -P $p ping; wait $p; cat {3}",
                         a, xvtep(), b, file("ping")),
             150);
    long sent = 0, received = 0;
    const auto at = text.find(" packets transmitted");
    ASSERT_NE(at, std::string::npos) << text;
    ASSERT_EQ(std::sscanf(text.c_str() + text.rfind('\n', at) + 1,
                          "%ld packets transmitted, %ld received", &sent, &received),
              2);
    EXPECT_GT(sent, 1000);
    // Ping counts the one in flight when it is stopped.
    EXPECT_LE(sent - received, 1) << text;
}

INSTANTIATE_TEST_SUITE_P(Modes, Reload, ::testing::Values("tc", "xdp", "skb"),
                         [](const auto &test) { return std::string(test.param); });

} // namespace
} // namespace xvtep::test
