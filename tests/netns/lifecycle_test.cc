// SPDX-License-Identifier: GPL-2.0-only
// Attach and detach as a whole: what is refused changes nothing, what is killed is put right, what
// is detached is gone.

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "tests/support/two_hosts.h"
#include "user/base/fd.h"

namespace xvtep::test {
namespace {

class Lifecycle : public TwoHosts {
  protected:
    void SetUp() override
    {
        TwoHosts::SetUp();
        if (IsSkipped())
            return;
        // The groups of the IPv6 address that u gets by itself are part of state().
        for (int i = 0;
             i < 100 && in(a_, "ip maddr show dev u").find("ff02::1:ff") == std::string::npos; i++)
            ::usleep(20'000);
    }

    Output run(const std::string &words, const std::string &ns)
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), ns, words));
    }
    Output run(const std::string &words) { return run(words, a_); }

    // All that xvtep could have changed in a namespace.
    std::string state(const std::string &ns)
    {
        const auto netns = Netns::open(ns);
        // "Peer netns reference is invalid", ip says now and then while other namespaces come and
        // go.
        return must(fmt::format("ip -n {0} -o link show 2>/dev/null | sed \"s/ qlen.*//\"; "
                                "tc -n {0} qdisc show | grep -v noqueue; "
                                "ip -n {0} maddr show dev u; "
                                "ip netns exec {0} sysctl net.ipv4.conf.lo.forwarding "
                                "net.ipv6.conf.lo.forwarding; "
                                "find /sys/fs/bpf/xvtep/{1} 2>/dev/null | sort; true",
                                ns, *netns->cookie()));
    }
};

constexpr const char *good = "attach u --vni 42 --name vxlan0 --remote 192.168.8.101";

TEST_F(Lifecycle, DetachLeavesNothing)
{
    ip(a_, "link add used type bridge");
    const std::string before = state(a_);
    for (const char *extra : {"", "--mode xdp", "--mode skb", "--bridge made", "--bridge used"}) {
        const Output attached = run(fmt::format("{} {}", good, extra));
        ASSERT_EQ(attached.status, 0) << attached.text;
        EXPECT_NE(state(a_), before);
        const Output detached = run("detach u");
        EXPECT_EQ(detached.status, 0) << detached.text;
        EXPECT_EQ(state(a_), before) << extra;
    }
}

// The programs ask the routing table by way of `lo`, which has to forward for that.
TEST_F(Lifecycle, ForwardingOfLoStaysAsTheHostWantsIt)
{
    const auto forwards = [&](int family, const char *device) {
        return in(a_, fmt::format("sysctl -n net.ipv{}.conf.{}.forwarding", family, device));
    };
    ASSERT_EQ(run(good).status, 0);
    EXPECT_EQ(forwards(4, "lo") + forwards(6, "lo"), "1\n1\n");
    in(a_, "sysctl -qw net.ipv4.ip_forward=1");
    ASSERT_EQ(run("detach u").status, 0);
    EXPECT_EQ(forwards(4, "lo") + forwards(6, "lo"), "1\n0\n") << "the host forwards IPv4 by now";
    ASSERT_EQ(run(good).status, 0);
    ASSERT_EQ(run("detach --force").status, 0);
    EXPECT_EQ(forwards(4, "lo") + forwards(6, "lo"), "1\n0\n");
}

// The kernel removes such a route as soon as any device begins to forward IPv6.
TEST_F(Lifecycle, ARouteFromARouterAdvertisementStays)
{
    const auto there = Netns::open(b_);
    ASSERT_TRUE(there);
    Fd socket;
    unsigned index = 0;
    {
        const auto scope = there->enter();
        socket = Fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
        index = ::if_nametoindex("u");
    }
    const std::array<std::uint8_t, 16> advertisement{134, 0, 0, 0, 64, 0, 7, 8};
    const int hops = 255;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
    sockaddr_in6 all{};
    all.sin6_family = AF_INET6;
    all.sin6_addr.s6_addr[0] = 0xff;
    all.sin6_addr.s6_addr[1] = 2;
    all.sin6_addr.s6_addr[15] = 1;
    all.sin6_scope_id = index;
    const auto has_route = [&] {
        return in(a_, "ip -6 route show default").find("proto ra") != std::string::npos;
    };
    for (int i = 0; i < 50 && !has_route(); i++) {
        ::sendto(socket.get(), advertisement.data(), advertisement.size(), 0,
                 reinterpret_cast<const sockaddr *>(&all), sizeof(all));
        ::usleep(100'000);
    }
    ASSERT_TRUE(has_route()) << in(a_, "ip -6 route show");
    ASSERT_EQ(run(good).status, 0);
    EXPECT_TRUE(has_route());
    ASSERT_EQ(run("detach u").status, 0);
    EXPECT_TRUE(has_route());
}

TEST_F(Lifecycle, WhatIsRefusedChangesNothing)
{
    ip(a_, "link add taken type bridge");
    ip(a_, "link add veth9 type veth peer name veth8");
    ip(a_, "link add kernel type vxlan id 77 dev u remote 192.168.8.101 dstport 4789");
    ip(a_, "link set kernel up");
    ASSERT_EQ(run(good).status, 0);
    const std::string before = state(a_);
    struct Case {
        const char *words;
        int status;
        const char *line;
    };
    for (const Case &c : {
             Case{"attach eth9 --vni 5", 2, "attach eth9: no such device\n"},
             Case{"attach u --vni 42 --remote 192.168.8.101", 2,
                  "attach u: VNI 42 on port 4789 is attached already (vxlan0)\n"},
             Case{"attach u --vni 0", 1, "attach u: VNI 0 is not within 1 to 16777215\n"},
             Case{"attach u --vni 16777216", 1,
                  "attach u: VNI 16777216 is not within 1 to 16777215\n"},
             Case{"attach u --vni 5 --bridge veth9", 2, "attach u: veth9 is not a bridge\n"},
             // Only a tunnel is offered for removal, and not one that the request stands on.
             Case{"attach u --vni 5 --name taken", 2,
                  "attach u: the name taken is taken by a bridge device (choose another with "
                  "name)\n"},
             Case{"attach u --vni 5 --name u", 2,
                  "attach u: the name u is taken by a veth device (choose another with name)\n"},
             Case{"attach u --vni 5 --name lo", 2,
                  "attach u: the name lo is taken by a network device (choose another with "
                  "name)\n"},
             Case{"attach u --vni 5 --name vxlan0", 2,
                  "attach u: the name vxlan0 is taken by a VTEP of xvtep (choose another with "
                  "name, or remove it: xvtep detach vxlan0)\n"},
             Case{"attach u --vni 5 --name kernel", 2,
                  "attach u: the name kernel is taken by a vxlan device (choose another with "
                  "name, or remove it: ip link del kernel)\n"},
             Case{"attach kernel --vni 5 --local 192.168.8.100 --name kernel", 2,
                  "attach kernel: the name kernel is taken by a vxlan device (choose another with "
                  "name)\n"},
             Case{"attach u --vni 77 --remote 192.168.8.101", 2,
                  "attach u: VNI 77 on port 4789 is taken by the kernel's device kernel (choose "
                  "another port with dstport, or remove it: ip link del kernel)\n"},
             Case{"attach u --vni 5 --mode xdp", 2,
                  "attach u: the mode of u is tc already, for all its VNIs\n"},
             Case{"attach u --vni 5 --local 192.168.8.100 --remote fd00::1", 1, nullptr},
             Case{"attach u --vni 5 --dstport 65536", 1, nullptr},
             Case{"attach u --vni 5 --ttl 256", 1, nullptr},
             Case{"attach u --vni 5 --remote 239.1.1.1", 1, nullptr},
             Case{"attach veth9 --vni 5", 2, nullptr}, // no address there
             Case{"detach veth9", 2, "detach veth9: no VNI is attached\n"},
             Case{"detach u --vni 43", 2, "detach u: VNI 43 is not attached\n"},
             Case{"port add veth9 --vni 43", 2, "port add veth9: VNI 43 is not attached\n"},
             Case{"port add u --vni 42", 2, nullptr},
             Case{"port add taken --vni 42", 2,
                  "port add taken: it is a bridge: add the ports of it that are to be on the fast "
                  "path\n"},
             Case{"port del veth9", 2, "port del veth9: not a port of xvtep\n"},
             Case{"fdb add 02:00:00:00:00:01 dev u dst 192.168.8.9", 2, nullptr},
             Case{"fdb del 02:00:00:00:00:01 dev vxlan0", 2,
                  "fdb del 02:00:00:00:00:01: no such entry\n"},
         }) {
        const Output output = run(c.words);
        EXPECT_EQ(output.status, c.status) << c.words << "\n" << output.text;
        EXPECT_EQ(std::ranges::count(output.text, '\n'), 1) << output.text;
        if (c.line != nullptr) {
            EXPECT_EQ(output.text, c.line);
        }
        EXPECT_EQ(state(a_), before) << c.words;
    }
}

TEST_F(Lifecycle, KilledAttachIsPutRight)
{
    const std::string before = state(a_);
    for (int milliseconds = 0; milliseconds < 60; milliseconds += 6) {
        sh(fmt::format("timeout -s KILL 0.{:03} {} -n {} {} --bridge made --mode xdp",
                       milliseconds + 1, xvtep(), a_, good));
        // The next command, whichever, puts it right: it is whole or gone.
        run("detach u");
        EXPECT_EQ(state(a_), before) << "killed after " << milliseconds + 1 << " ms";
        const Output again = run(good);
        ASSERT_EQ(again.status, 0) << again.text;
        ASSERT_EQ(run("detach u").status, 0);
    }
}

TEST_F(Lifecycle, SeveralAtOnce)
{
    // Of one VNI one is attached; of different ones all.
    must(fmt::format("for i in 1 2 3 4 5 6; do {0} -n {1} attach u --vni 42 --remote 192.168.8.101 "
                     ">/dev/null 2>&1 & {0} -n {1} attach u --vni 5$i --remote 192.168.8.101 & "
                     "done; wait",
                     xvtep(), a_));
    const auto shown = nlohmann::json::parse(run("-j show").text);
    EXPECT_EQ(shown.size(), 7U) << shown.dump(1);
    EXPECT_EQ(run("detach u --vni 51").status, 0);
    EXPECT_EQ(nlohmann::json::parse(run("-j show").text).size(), 6U);
    EXPECT_EQ(run("detach u").status, 0);
    EXPECT_EQ(nlohmann::json::parse(run("-j show").text).size(), 0U);
}

TEST_F(Lifecycle, NamespacesWithTheSameNamesDoNotCollide)
{
    ASSERT_EQ(run(good, a_).status, 0);
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0 --remote 192.168.8.100", b_).status, 0);
    EXPECT_EQ(run("detach u", b_).status, 0);
    EXPECT_EQ(nlohmann::json::parse(run("-j show", a_).text).size(), 1U);
    EXPECT_EQ(nlohmann::json::parse(run("-j show", b_).text).size(), 0U);
    // `ip netns exec` hides bpffs behind a fresh /sys; it is found all the same.
    EXPECT_NE(in(a_, xvtep() + " show").find("vni 42"), std::string::npos);
}

TEST_F(Lifecycle, SameVniOnTwoUdpPorts)
{
    ASSERT_EQ(run(good).status, 0);
    const Output second =
        run("attach u --vni 42 --name vxlan1 --remote 192.168.8.101 --dstport 8472");
    ASSERT_EQ(second.status, 0) << second.text;
    ASSERT_EQ(run("fdb add 02:00:00:00:00:01 dev vxlan1 dst 192.168.8.9").status, 0);
    EXPECT_EQ(run("fdb get 02:00:00:00:00:01 dev vxlan0").status, 2) << "tables apart";
}

// VTEP addresses on lo, two wires: the route says by which.
TEST_F(Lifecycle, SeveralPortsGoByTheRoute)
{
    wire(a_, "w", b_, "w");
    for (const bool v6 : {false, true}) {
        SCOPED_TRACE(v6 ? "IPv6" : "IPv4");
        const std::string net = v6 ? "fd09::" : "10.9.9.", end = v6 ? "/128" : "/32";
        for (const int n : {1, 2}) {
            const auto &self = n == 1 ? a_ : b_;
            ip(self, "link set lo up");
            ip(self, fmt::format("addr add {}{}{} dev lo", net, n, end));
            for (const int way : {1, 2})
                ip(self, fmt::format("addr add {}/{} dev {}{}",
                                     v6 ? fmt::format("fd0{}::1{}", way, n)
                                        : fmt::format("10.9.{}.1{}", way, n),
                                     v6 ? 64 : 24, way == 1 ? "u" : "w", v6 ? " nodad" : ""));
            for (const int vni : {42, 43})
                must(fmt::format("{} -n {} attach u w --vni {} --local {}{} --remote {}{}", xvtep(),
                                 self, vni, net, n, net, 3 - n));
            ip(self, fmt::format("addr add 10.20.1.{}/24 dev xvtep42", n));
        }
        const auto sent_by = [&](const char *device) {
            return std::stoul(
                in(a_, fmt::format("cat /sys/class/net/{}/statistics/tx_packets", device)));
        };
        for (const int way : {1, 2, 1}) {
            for (const int n : {1, 2})
                ip(n == 1 ? a_ : b_, fmt::format("route replace {}{}{} via {}", net, 3 - n, end,
                                                 v6 ? fmt::format("fd0{}::1{}", way, 3 - n)
                                                    : fmt::format("10.9.{}.1{}", way, 3 - n)));
            ::usleep(1'100'000); // a cached next hop's life
            const auto before = sent_by(way == 1 ? "u" : "w");
            EXPECT_EQ(pings_lost(a_, "10.20.1.2", 5), 0) << way;
            EXPECT_GE(sent_by(way == 1 ? "u" : "w"), before + 5) << way;
        }
        for (const auto &self : {a_, b_}) {
            EXPECT_EQ(sh(fmt::format("{} -n {} detach u", xvtep(), self)).status, 0);
            EXPECT_EQ(in(self, "sysctl -n net.ipv4.conf.lo.forwarding net.ipv6.conf.lo.forwarding"),
                      "0\n0\n")
                << "nothing of the host's is changed";
        }
    }
}

// The kernel's device drops frames from its own address, and so the old one may be another's.
TEST_F(Lifecycle, AChangedMacIsFollowed)
{
    constexpr const char *old_mac = "02:00:00:00:00:aa", *new_mac = "02:00:00:00:00:bb";
    ip(b_, fmt::format("link add vxlan0 address {} type vxlan id 42 dev u remote 192.168.8.100 "
                       "dstport 4789",
                       old_mac));
    ASSERT_EQ(run(good).status, 0);
    for (const auto &[ns, n] : {std::pair(a_, 1), std::pair(b_, 2)}) {
        ip(ns, fmt::format("addr add 10.20.1.{}/24 dev vxlan0", n));
        ip(ns, "link set vxlan0 up");
    }
    const auto answered = [&] { // any of them
        ip(b_, "neigh flush dev vxlan0");
        return sh(fmt::format("ip netns exec {} ping -c 4 -i 0.3 -W 1 10.20.1.1", b_)).status == 0;
    };
    ip(a_, fmt::format("link set vxlan0 address {}", old_mac));
    ASSERT_EQ(run("fdb flush dev vxlan0 dynamic").status, 0);
    EXPECT_FALSE(answered()) << "both have it";
    const auto dropped = nlohmann::json::parse(run("-j stats dev vxlan0").text);
    EXPECT_GT(dropped[0]["drops"]["local_mac"], 0) << dropped.dump(1);
    ip(a_, fmt::format("link set vxlan0 address {}", new_mac));
    ASSERT_EQ(run("fdb flush dev vxlan0 dynamic").status, 0);
    EXPECT_TRUE(answered());
}

TEST_F(Lifecycle, ForwardingEntries)
{
    ASSERT_EQ(run(good).status, 0);
    const std::string mac = "02:00:00:00:00:01";
    EXPECT_EQ(run("fdb add " + mac + " dev vxlan0 dst 192.168.8.9 static").status, 0);
    EXPECT_EQ(run("fdb add " + mac + " dev vxlan0 dst 192.168.8.9").status, 2) << "exists";
    EXPECT_EQ(run("fdb replace " + mac + " dev vxlan0 dst 192.168.8.10 port 99 vni 7 via u").status,
              0);
    EXPECT_EQ(run("fdb append " + mac + " dev vxlan0 dst 192.168.8.11").status, 2);
    for (int i = 0; i < 2; i++) // the second time it is there already, as for bridge(8)
        EXPECT_EQ(run("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.12").status, 0);
    EXPECT_EQ(run("fdb show dev vxlan0").text,
              "00:00:00:00:00:00 dst 192.168.8.101 via u self permanent\n"
              "00:00:00:00:00:00 dst 192.168.8.12 self permanent\n" +
                  mac + " dst 192.168.8.10 port 99 vni 7 via u self permanent\n");
    // The kernel's device, which floods, knows the same defaults.
    const std::string kernel = in(a_, "bridge fdb show dev vxlan0");
    EXPECT_NE(kernel.find("dst 192.168.8.101 via u"), std::string::npos) << kernel;
    EXPECT_NE(kernel.find("dst 192.168.8.12"), std::string::npos) << kernel;
    EXPECT_EQ(run("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.12").status, 0);
    EXPECT_EQ(in(a_, "bridge fdb show dev vxlan0").find("192.168.8.12"), std::string::npos);
    EXPECT_EQ(run("fdb flush dev vxlan0").status, 0);
    EXPECT_EQ(run("fdb show").text, "");
    EXPECT_EQ(in(a_, "bridge fdb show dev vxlan0").find("dst"), std::string::npos);
}

// The destinations of the default entry, in the words of bridge(8).
class Destinations : public Lifecycle {
  protected:
    // Makes the default entry anew, with a destination for each text.
    void make(const std::vector<std::string> &all)
    {
        run("fdb flush dev vxlan0");
        for (const auto &one : all)
            ASSERT_EQ(run(zeros + one).status, 0) << one;
        ASSERT_EQ(shown(), lines(all));
        ASSERT_EQ(kernels(), lines(all));
    }
    void expect_left(const std::vector<std::string> &all)
    {
        EXPECT_EQ(shown(), lines(all));
        EXPECT_EQ(kernels(), lines(all));
    }
    // The kernel lists them in an order of its own.
    [[nodiscard]] std::string kernels() const
    {
        std::istringstream text(in(a_, "bridge fdb show dev vxlan0"));
        std::vector<std::string> all;
        for (std::string line; std::getline(text, line);)
            if (line.starts_with("00:00:00:00:00:00"))
                all.push_back(line);
        return sorted(all);
    }
    static std::string lines(const std::vector<std::string> &all)
    {
        std::vector<std::string> whole;
        for (const auto &one : all)
            whole.push_back("00:00:00:00:00:00 " + one + " self permanent");
        return sorted(whole);
    }
    static std::string sorted(std::vector<std::string> all)
    {
        std::ranges::sort(all);
        return fmt::format("{}\n", fmt::join(all, "\n"));
    }
    std::string shown()
    {
        std::istringstream text(run("fdb show dev vxlan0").text);
        std::vector<std::string> all;
        for (std::string line; std::getline(text, line);)
            all.push_back(line);
        return sorted(all);
    }

    const std::string zeros = "fdb append 00:00:00:00:00:00 dev vxlan0 ";
    const std::string del = "fdb del 00:00:00:00:00:00 dev vxlan0 ";
    const std::string to = "dst 192.168.8.102";
    const std::vector<std::string> four{to, to + " port 999", to + " vni 77", to + " vni 77 via u"};
};

TEST_F(Destinations, OnlyThoseThatAgreeAreDeleted)
{
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0").status, 0);
    make(four);
    EXPECT_EQ(run(del + to + " port 999").status, 0);
    expect_left({four[0], four[2], four[3]});
    EXPECT_EQ(run(del + to + " port 999").text, "fdb del 00:00:00:00:00:00: no such destination\n");
    EXPECT_EQ(run(del + to).status, 0);
    expect_left({four[2], four[3]});
    EXPECT_EQ(run(del + to).status, 2) << "neither has the VTEP's own VNI";
    EXPECT_EQ(run(del + to + " vni 77").status, 0) << "the one without via goes first";
    expect_left({four[3]});
    EXPECT_EQ(run(del + to + " vni 77").status, 0) << "via is not needed";
    expect_left({});

    make(four);
    EXPECT_EQ(run(del + to + " vni 77 via u").status, 0);
    expect_left({four[0], four[1], four[2]});
    EXPECT_EQ(run(del + to + " via u").status, 2);
    EXPECT_EQ(run(del + to + " vni 42 port 4789").status, 0) << "the VTEP's own";
    expect_left({four[1], four[2]});
    EXPECT_EQ(run(del + "vni 78").status, 2);
    EXPECT_EQ(run(del + "vni 77").status, 0);
    expect_left({four[1]});
    make(four);
    EXPECT_EQ(run(del).status, 0);
    expect_left({});

    const std::string mac = "02:00:00:00:00:01 dev vxlan0";
    ASSERT_EQ(run("fdb add " + mac + " " + to).status, 0);
    EXPECT_EQ(run("fdb del " + mac + " " + to + " vni 777 port 5").text,
              "fdb del 02:00:00:00:00:01: no such destination\n");
    EXPECT_EQ(run("fdb show dev vxlan0").text,
              "02:00:00:00:00:01 dst 192.168.8.102 self permanent\n");
    EXPECT_NE(in(a_, "bridge fdb show dev vxlan0").find("02:00:00:00:00:01 dst"),
              std::string::npos);
    EXPECT_EQ(run("fdb del " + mac + " " + to).status, 0);
}

TEST_F(Destinations, FlushDeletesThoseThatItsFilterTakes)
{
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0").status, 0);
    make({to + " vni 100", to + " vni 200", to + " vni 300"});
    EXPECT_EQ(run("fdb flush dev vxlan0 vni 200").status, 0);
    expect_left({to + " vni 100", to + " vni 300"});
    make(four);
    EXPECT_EQ(run("fdb flush dev vxlan0 vni 77").status, 0);
    expect_left({four[0], four[1]});
    ASSERT_EQ(run(zeros + "dst 192.168.8.103").status, 0);
    EXPECT_EQ(run("fdb flush dev vxlan0 " + to).status, 0);
    expect_left({"dst 192.168.8.103"});
}

// A port to send from that is gone has no name.
TEST_F(Destinations, AreFlushedWithoutTheirPort)
{
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0").status, 0);
    ip(a_, "link add gone type veth peer name gone2");
    make({to, to + " vni 77 via gone"});
    ip(a_, "link del gone");
    EXPECT_EQ(run("fdb flush dev vxlan0 vni 77").status, 0);
    EXPECT_EQ(run("fdb show dev vxlan0").text, lines({to}));
}

TEST_F(Lifecycle, NeighboursOfOneFamilyAreFlushed)
{
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0").status, 0);
    const auto make = [this] {
        for (const char *address : {"10.20.1.3", "fd20::3"})
            ASSERT_EQ(
                run(fmt::format("neigh replace {} lladdr 02:00:00:00:00:01 dev vxlan0", address))
                    .status,
                0);
    };
    const std::string end = " lladdr 02:00:00:00:00:01 PERMANENT\n";
    make();
    EXPECT_EQ(run("-4 neigh flush dev vxlan0").status, 0);
    EXPECT_EQ(run("neigh show dev vxlan0").text, "fd20::3" + end);
    make();
    EXPECT_EQ(run("-6 neigh flush dev vxlan0").status, 0);
    EXPECT_EQ(run("neigh show dev vxlan0").text, "10.20.1.3" + end);
    EXPECT_EQ(run("neigh flush dev vxlan0").status, 0);
    EXPECT_EQ(run("neigh show dev vxlan0").text, "");
}

TEST_F(Lifecycle, PinsOfADeadNamespaceGo)
{
    const std::string dead = host("dead");
    ip(dead, "link add d0 type veth peer name e0");
    ip(dead, "link set d0 up");
    ip(dead, "addr add 10.0.0.1/24 dev d0");
    ASSERT_EQ(run("attach d0 --vni 9", dead).status, 0);
    const auto cookie = *Netns::open(dead)->cookie();
    ASSERT_TRUE(Netns::remove(dead));
    for (int tries = 0; tries < 50; tries++) { // the kernel takes namespaces down in its own time
        run("detach u");
        if (sh(fmt::format("test -e /sys/fs/bpf/xvtep/{}", cookie)).status != 0)
            return;
        ::usleep(100'000);
    }
    FAIL() << "still pinned";
}

// Somebody empties the table of the kernel's device, or sets it down and up: what it had learned is
// forgotten by the programs, too, and learned anew with the next frame, as by the kernel alone.
TEST_F(Lifecycle, AKernelTableThatWasEmptiedIsLearnedAnew)
{
    ASSERT_EQ(run("attach u --vni 42 --name vxlan0").status, 0); // no default entry
    must(fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --remote 192.168.8.100", xvtep(),
                     b_));
    for (const auto &[ns, n] : {std::pair(a_, 1), std::pair(b_, 2)})
        ip(ns, fmt::format("addr add 10.20.1.{}/24 dev vxlan0", n));
    ASSERT_EQ(pings_lost(b_, "10.20.1.1"), 0);
    const std::string mac = in(b_, "cat /sys/class/net/vxlan0/address").substr(0, 17);
    for (const std::string &words :
         {fmt::format("bridge -n {} fdb flush dev vxlan0", a_),
          fmt::format("ip -n {0} link set vxlan0 down; ip -n {0} link set vxlan0 up", a_)}) {
        must(words);
        ip(a_, fmt::format("neigh replace 10.20.1.2 lladdr {} dev vxlan0",
                           mac)); // no ARP without a default
        ::usleep(1'100'000);      // no next hop is remembered
        EXPECT_LE(pings_lost(b_, "10.20.1.1", 10, "-i 0.1"), 1) << words;
    }
}

TEST_F(Lifecycle, AttachTellsOfIpsecPolicies)
{
    EXPECT_EQ(run(good).text, "");
    ASSERT_EQ(run("detach u").status, 0);
    const Output policy = sh(fmt::format("ip -n {} xfrm policy add dir out src 192.168.8.100/32 "
                                         "dst 192.168.8.101/32 proto udp tmpl src "
                                         "192.168.8.100 dst 192.168.8.101 proto esp mode transport",
                                         a_));
    if (policy.status != 0)
        GTEST_SKIP() << "no xfrm policies here: " << policy.text;
    EXPECT_NE(run(good).text.find("vxlan0: IPsec policies are in force"), std::string::npos);
}

TEST_F(Lifecycle, AttachTellsOfRulesForItsPort)
{
    if (sh("nft --version").status != 0)
        GTEST_SKIP() << "needs nft";
    const auto nft = [&](const std::string &ns, const std::string &words) {
        return sh(fmt::format("ip netns exec {} nft \"{}\"", ns, words));
    };
    const Output chain = nft(a_, "add table inet t; add chain inet t in { type filter hook input "
                                 "priority 0; }");
    if (chain.status != 0)
        GTEST_SKIP() << "no nftables here: " << chain.text;
    const auto attached = [&](const std::string &words = "") {
        std::string text = run(good + (" " + words)).text;
        EXPECT_EQ(run("detach u").status, 0);
        return text;
    };
    const auto rule = [&](const std::string &words) {
        must(fmt::format("ip netns exec {} nft \"flush chain inet t in; add rule inet t in {}\"",
                         a_, words));
    };
    const auto line = [](const char *port, const char *where) {
        return fmt::format("vxlan0: rules for UDP port {} are in force here ({}); most packets do "
                           "not meet them: see \"Firewalls\" in docs/kernel-differences.md\n",
                           port, where);
    };
    EXPECT_EQ(attached(), "") << "no rule";
    for (const char *words :
         {"udp dport 4789 drop", "udp sport 4789 counter",
          "udp dport 4000-5000 limit rate 10/second", "udp dport { 53, 4789 } ip dscp set 1",
          "udp dport { 53, 4000-5000 } log",
          "ip saddr . udp dport { 192.168.8.101 . 4789 } accept"}) {
        rule(words);
        EXPECT_EQ(attached(), line("4789", "inet t in")) << words;
    }
    for (const char *words :
         {"udp dport 4790 drop", "tcp dport 4789 drop", "udp dport 4000-4788 drop",
          "udp dport { 53, 4790 } drop", "udp dport { 53, 4000-4788 } drop",
          "ip saddr . udp dport { 192.168.8.101 . 4790 } drop", "ip saddr 192.168.8.101 drop"}) {
        rule(words);
        EXPECT_EQ(attached(), "") << words;
    }
    rule("udp dport 4790 drop");
    EXPECT_EQ(attached("--dstport 4790"), line("4790", "inet t in"));
    const auto json = nlohmann::json::parse(
        sh(fmt::format("{} -j -n {} {} --dstport 4790", xvtep(), a_, good)).text);
    EXPECT_EQ(json.at("filter_rule"), "inet t in");
    EXPECT_EQ(run("detach u").status, 0);

    EXPECT_EQ(nft(a_, "delete table inet t").status, 0);
    ASSERT_EQ(nft(b_, "add table inet t; add chain inet t in; add rule inet t in udp dport 4789 "
                      "drop")
                  .status,
              0);
    EXPECT_EQ(attached(), "") << "another namespace's rules";
}

TEST_F(Lifecycle, AttachTellsOfRulesOfIptables)
{
    if (sh("iptables-nft --version").status != 0)
        GTEST_SKIP() << "needs iptables-nft";
    const auto attached = [&](const std::string &words) {
        const std::string iptables = fmt::format("ip netns exec {} iptables-nft ", a_);
        must(iptables + "-F");
        must(iptables + words);
        std::string text = run(good).text;
        EXPECT_EQ(run("detach u").status, 0);
        return text;
    };
    for (const char *words :
         {"-A INPUT -p udp --dport 4789 -j DROP", "-A OUTPUT -p udp --dport 4000:5000 -j ACCEPT",
          "-A INPUT -p udp -m multiport --ports 53,4000:5000 -j DROP"})
        EXPECT_NE(
            attached(words).find("vxlan0: rules for UDP port 4789 are in force here (ip filter "),
            std::string::npos)
            << words;
    for (const char *words :
         {"-A INPUT -p udp --dport 4790 -j DROP", "-A INPUT -p tcp --dport 4789 -j DROP",
          "-A INPUT -p udp -m multiport --ports 53,4790 -j DROP", "-A INPUT -j ACCEPT"})
        EXPECT_EQ(attached(words), "") << words;
}

} // namespace
} // namespace xvtep::test
