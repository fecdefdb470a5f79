// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/netlink.h"

#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "user/net/ethtool.h"
#include "user/net/sysctl.h"
#include "xvtep/option.h"

namespace xvtep {
namespace {

constexpr Mac mac_a{{0x02, 0, 0, 0, 0, 0x0a}};
constexpr Mac mac_b{{0x02, 0, 0, 0, 0, 0x0b}};

Ip ip(const char *text)
{
    return Ip::parse(text).value();
}

Prefix prefix(const char *text)
{
    return Prefix::parse(text).value();
}

template <class T> testing::AssertionResult works(const Result<T> &result)
{
    if (result)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << result.error().message();
}

// A namespace of the test's own, gone at its end.
class TestNetns {
  public:
    explicit TestNetns(const std::string &suffix)
        : name("xvn-" + std::to_string(::getpid()) + "-" + suffix), netns(Netns::create(name))
    {
    }
    TestNetns(const TestNetns &) = delete;
    TestNetns &operator=(const TestNetns &) = delete;
    ~TestNetns()
    {
        if (netns)
            (void)Netns::remove(name);
    }

    [[nodiscard]] Netlink netlink() const
    {
        const auto scope = netns->enter();
        return Netlink::open().value();
    }

    const std::string name;
    const Result<Netns> netns;
};

class NetlinkTest : public testing::Test {
  protected:
    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, to make network namespaces";
        a.emplace("a");
        ASSERT_TRUE(works(a->netns));
        netlink.emplace(a->netlink());
    }

    int add_veth(const char *name, const char *peer)
    {
        const auto index = netlink->add_veth({.name = name}, {.name = peer});
        EXPECT_TRUE(works(index));
        return index.value_or(0);
    }

    std::optional<TestNetns> a;
    std::optional<Netlink> netlink;
};

using NetnsTest = NetlinkTest;
using EthtoolTest = NetlinkTest;
using SysctlTest = NetlinkTest;

TEST_F(NetnsTest, IsMadeAndRemoved)
{
    const std::uint64_t own = Netns::current()->inode();
    EXPECT_TRUE(Netns::exists(a->name));
    EXPECT_NE(a->netns->inode(), own);
    EXPECT_EQ(Netns::open(a->name)->inode(), a->netns->inode());
    EXPECT_EQ(Netns::open("/run/netns/" + a->name)->inode(), a->netns->inode());
    EXPECT_TRUE(netlink->link("lo")->is_up());
    EXPECT_EQ(netlink->addresses(1)->at(0), prefix("127.0.0.1/8"));

    const auto again = Netns::create(a->name);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_EQ(Netns::current()->inode(), own);

    ASSERT_TRUE(works(Netns::remove(a->name)));
    EXPECT_FALSE(Netns::exists(a->name));
    const auto gone = Netns::open(a->name);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().message(), "open namespace " + a->name + ": no such namespace");
    EXPECT_EQ(Netns::remove(a->name).error().code, ENOENT);
}

TEST_F(NetnsTest, IsALinuxNetworkNamespaceOrRefused)
{
    for (const char *name : {"", ".", "..", "a/b"})
        EXPECT_EQ(Netns::create(name).error().kind, ErrorKind::usage) << name;
    EXPECT_EQ(Netns::remove("../netns").error().kind, ErrorKind::usage);
    EXPECT_EQ(Netns::open("/proc/self/ns/uts").error().code, EINVAL);
    EXPECT_EQ(Netns::open("/dev/null").error().code, EINVAL);
}

TEST_F(NetnsTest, ScopeMovesOnlyItsThread)
{
    const auto outside = Netns::current();
    const std::uint64_t own = outside->inode();
    {
        const auto scope = a->netns->enter();
        ASSERT_TRUE(works(scope));
        EXPECT_EQ(Netns::current()->inode(), a->netns->inode());
        std::uint64_t others = 0;
        std::thread([&] {
            const auto back = outside->enter();
            others = Netns::current()->inode();
        }).join();
        EXPECT_EQ(others, own);
        EXPECT_EQ(Netns::current()->inode(), a->netns->inode());
    }
    EXPECT_EQ(Netns::current()->inode(), own);
}

TEST_F(NetnsTest, HasACookie)
{
    const auto cookie = a->netns->cookie();
    ASSERT_TRUE(works(cookie));
    EXPECT_NE(*cookie, *current_netns_cookie());
    const auto scope = a->netns->enter();
    EXPECT_EQ(*cookie, *current_netns_cookie());
}

TEST_F(NetnsTest, IsVisibleOnce)
{
    std::multiset<std::uint64_t> inodes;
    for (const Netns &netns : Netns::visible())
        inodes.insert(netns.inode());
    EXPECT_EQ(inodes.count(a->netns->inode()), 1U);
    EXPECT_EQ(inodes.count(Netns::current()->inode()), 1U);
    EXPECT_EQ(inodes.size(), (std::set(inodes.begin(), inodes.end()).size()));
}

TEST_F(NetlinkTest, FindsLinks)
{
    const auto lo = netlink->link("lo");
    ASSERT_TRUE(works(lo));
    EXPECT_EQ(lo->index, 1);
    EXPECT_EQ(lo->mtu, 65536U);
    EXPECT_EQ(lo->kind, "");
    EXPECT_EQ(netlink->link(1)->name, "lo");

    const auto missing = netlink->link("eth9");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ENODEV);
    EXPECT_EQ(missing.error().cause, "no such device");
    EXPECT_EQ(netlink->link(999).error().code, ENODEV);
    EXPECT_EQ(netlink->delete_link(999).error().code, ENODEV);
}

TEST_F(NetlinkTest, RefusesNamesTheKernelCannotHold)
{
    for (const char *name : {"", "a/b", "a b", "v%d", "0123456789abcdef"}) {
        const NewLink link{.name = name};
        EXPECT_EQ(netlink->add_bridge(link).error().kind, ErrorKind::usage) << name;
        EXPECT_EQ(netlink->link(name).error().kind, ErrorKind::usage) << name;
        EXPECT_EQ(netlink->change_link(1, {.name = name}).error().kind, ErrorKind::usage) << name;
    }
    EXPECT_TRUE(works(netlink->add_bridge({.name = "0123456789abcde"})));
    EXPECT_TRUE(works(netlink->link("0123456789abcde")));
}

TEST_F(NetlinkTest, SaysWhyTheKernelRefused)
{
    const NewLink bridge{.name = "br0"};
    const auto index = netlink->add_bridge(bridge);
    ASSERT_TRUE(works(index));
    EXPECT_EQ(netlink->add_bridge(bridge).error().message(), "create link br0: file exists");

    // With the extended acknowledgement's text.
    VxlanOptions mixed;
    mixed.vni = 5;
    mixed.local = ip("10.0.0.1");
    mixed.remote = ip("fd00::1");
    const auto refused = netlink->add_vxlan({.name = "vx0"}, mixed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EINVAL);
    EXPECT_TRUE(refused.error().message().starts_with(
        "create link vx0: invalid argument (Local and remote"))
        << refused.error().message();

    const auto twice = netlink->add_address(1, prefix("127.0.0.1/8"));
    ASSERT_FALSE(twice);
    EXPECT_TRUE(twice.error().message().starts_with("add address 127.0.0.1/8 dev lo: file exists"))
        << twice.error().message();
}

TEST_F(NetlinkTest, MakesAndChangesLinks)
{
    const auto bridge = netlink->add_bridge({.name = "br0", .mac = mac_a, .mtu = 1400, .group = 7});
    ASSERT_TRUE(works(bridge));
    auto link = netlink->link(*bridge);
    EXPECT_EQ(link->name, "br0");
    EXPECT_EQ(link->kind, "bridge");
    EXPECT_EQ(link->mac, mac_a);
    EXPECT_EQ(link->mtu, 1400U);
    EXPECT_EQ(link->group, 7U);
    EXPECT_FALSE(link->is_up());
    EXPECT_FALSE(link->vxlan);

    const int veth = add_veth("v0", "v1");
    ASSERT_TRUE(works(netlink->change_link(
        veth, {.up = true, .mtu = 1300, .master = *bridge, .mac = mac_b, .group = 9})));
    link = netlink->link("v0");
    EXPECT_EQ(link->kind, "veth");
    EXPECT_EQ(link->lower, netlink->link("v1")->index);
    EXPECT_FALSE(link->lower_nsid);
    EXPECT_TRUE(link->is_up());
    EXPECT_EQ(link->mtu, 1300U);
    EXPECT_EQ(link->master, *bridge);
    EXPECT_EQ(link->mac, mac_b);
    EXPECT_EQ(link->group, 9U);
    EXPECT_GE(link->tx_queues, 1U);
    EXPECT_EQ(link->xdp_mode, XDP_ATTACHED_NONE);

    ASSERT_TRUE(works(netlink->change_link(veth, {.up = false, .master = 0, .name = "v9"})));
    link = netlink->link(veth);
    EXPECT_EQ(link->name, "v9");
    EXPECT_EQ(link->master, 0);
    EXPECT_FALSE(link->is_up());
    EXPECT_EQ(link->mtu, 1300U);

    ASSERT_TRUE(works(netlink->delete_link(veth)));
    EXPECT_FALSE(netlink->link("v1"));
}

TEST_F(NetlinkTest, ListsManyLinks)
{
    constexpr int many = 150;
    for (int i = 0; i < many; i++)
        add_veth(("l" + std::to_string(i)).c_str(), ("r" + std::to_string(i)).c_str());
    const auto links = netlink->links();
    ASSERT_TRUE(works(links));
    std::set<std::string> names;
    for (const Link &link : *links)
        names.insert(link.name);
    EXPECT_EQ(links->size(), names.size());
    EXPECT_EQ(names.size(), 2U * many + 1);
    EXPECT_TRUE(names.contains("l149"));
}

TEST_F(NetlinkTest, VethReachesAnotherNamespace)
{
    const TestNetns b("b");
    ASSERT_TRUE(works(b.netns));
    Netlink there = b.netlink();
    const auto index =
        netlink->add_veth({.name = "here", .mac = mac_a, .mtu = 1450},
                          {.name = "there", .mac = mac_b, .mtu = 1440, .group = 3}, b.netns->fd());
    ASSERT_TRUE(works(index));
    const auto near = netlink->link(*index);
    const auto far = there.link("there");
    ASSERT_TRUE(works(far));
    EXPECT_EQ(far->mac, mac_b);
    EXPECT_EQ(far->mtu, 1440U);
    EXPECT_EQ(far->group, 3U);
    EXPECT_EQ(near->mac, mac_a);
    EXPECT_EQ(near->mtu, 1450U);
    EXPECT_EQ(near->lower, far->index);
    ASSERT_TRUE(near->lower_nsid);

    const auto peer = netlink->netns_by_id(*near->lower_nsid);
    ASSERT_TRUE(works(peer));
    EXPECT_EQ(peer->inode(), b.netns->inode());
    EXPECT_FALSE(netlink->netns_by_id(12345));
    EXPECT_FALSE(netlink->netns_by_id(-1));

    const int moved = add_veth("m0", "m1");
    ASSERT_TRUE(works(netlink->change_link(moved, {.netns_fd = b.netns->fd()})));
    EXPECT_FALSE(netlink->link("m0"));
    EXPECT_TRUE(works(there.link("m0")));
}

TEST_F(NetlinkTest, VxlanHasEveryOptionItWasGiven)
{
    const int lower = add_veth("v0", "v1");
    VxlanOptions options;
    const std::pair<const char *, OptionValue> given[] = {
        {"vni", std::uint64_t{0xabcdef}},
        {"local", "10.0.0.1"},
        {"group", "239.1.1.1"},
        {"dstport", std::uint64_t{8472}},
        {"srcport", std::array<std::uint64_t, 2>{40000, 50000}},
        {"ttl", std::uint64_t{17}},
        {"tos", "inherit"},
        {"df", "inherit"},
        {"learning", true},
        {"proxy", true},
        {"rsc", true},
        {"l2miss", true},
        {"l3miss", true},
        {"udpcsum", true},
        {"gbp", true},
        {"ageing", std::uint64_t{77}},
        {"maxaddress", std::uint64_t{88}},
    };
    for (const auto &[word, value] : given)
        ASSERT_TRUE(set_option(options, *find_option(word), value)) << word;
    options.lower = lower;
    const auto index =
        netlink->add_vxlan({.name = "vx0", .mac = mac_a, .mtu = 1400, .group = 5}, options);
    ASSERT_TRUE(works(index));
    const auto link = netlink->link(*index);
    EXPECT_EQ(link->kind, "vxlan");
    EXPECT_EQ(link->mac, mac_a);
    EXPECT_EQ(link->mtu, 1400U);
    EXPECT_EQ(link->group, 5U);
    EXPECT_EQ(link->lower, lower);
    ASSERT_TRUE(link->vxlan);
    const VxlanOptions &got = *link->vxlan;
    for (const auto &[word, value] : given)
        EXPECT_EQ(option_text(got, *find_option(word)), option_text(options, *find_option(word)));
    EXPECT_EQ(got.lower, lower);
    EXPECT_FALSE(got.remote);
    EXPECT_TRUE(got.group && got.tos.inherit && !got.ttl.inherit);
    EXPECT_FALSE(got.gpe || got.external || got.udp6zerocsumtx || got.udp6zerocsumrx);
}

TEST_F(NetlinkTest, VxlanOverIpv6)
{
    VxlanOptions options;
    options.vni = 6;
    options.local = ip("fd00::1");
    options.remote = ip("fd00::2");
    options.ttl.inherit = true;
    options.flowlabel = 0x12345;
    options.learning = false;
    options.udp6zerocsumtx = options.udp6zerocsumrx = true;
    const auto index = netlink->add_vxlan({.name = "vx6"}, options);
    ASSERT_TRUE(works(index));
    const auto link = netlink->link(*index);
    ASSERT_TRUE(link->vxlan);
    EXPECT_EQ(link->vxlan->local, options.local);
    EXPECT_EQ(link->vxlan->remote, options.remote);
    EXPECT_EQ(link->vxlan->dstport, 4789);
    EXPECT_TRUE(link->vxlan->ttl.inherit);
    EXPECT_EQ(link->vxlan->flowlabel, 0x12345U);
    EXPECT_TRUE(link->vxlan->udp6zerocsumtx && link->vxlan->udp6zerocsumrx);
    EXPECT_FALSE(link->vxlan->learning || *link->vxlan->udpcsum);
    EXPECT_EQ(link->vxlan->ageing, 300U);
}

TEST_F(NetlinkTest, VxlanWithMetadata)
{
    VxlanOptions options;
    options.gpe = options.external = true;
    options.learning = false; // is refused beside them
    const auto index = netlink->add_vxlan({.name = "vxm"}, options);
    ASSERT_TRUE(works(index));
    const auto link = netlink->link(*index);
    ASSERT_TRUE(link->vxlan);
    EXPECT_TRUE(link->vxlan->external && link->vxlan->gpe);
    EXPECT_FALSE(link->vxlan->local || link->vxlan->remote);
}

TEST_F(NetlinkTest, KeepsAVxlanForwardingDatabase)
{
    const int lower = add_veth("v0", "v1");
    VxlanOptions options;
    options.vni = 5;
    const auto vxlan = netlink->add_vxlan({.name = "vx0"}, options);
    options.vni = 6;
    const auto other = netlink->add_vxlan({.name = "vx1"}, options);
    ASSERT_TRUE(works(vxlan));
    ASSERT_TRUE(works(other));
    EXPECT_EQ(netlink->fdb(*vxlan)->size(), 0U);

    const KernelFdbEntry flood1{.mac = {}, .dst = ip("10.0.0.2")};
    const KernelFdbEntry flood2{.mac = {}, .dst = ip("10.0.0.3")};
    const KernelFdbEntry full{
        .mac = mac_a, .dst = ip("10.0.0.4"), .port = 8472, .vni = 77, .via = lower};
    for (const KernelFdbEntry &entry : {flood1, flood2, full})
        ASSERT_TRUE(works(netlink->append_fdb(*vxlan, entry)));
    ASSERT_TRUE(works(netlink->append_fdb(*other, flood1)));

    auto entries = netlink->fdb(*vxlan);
    ASSERT_TRUE(works(entries));
    EXPECT_EQ(entries->size(), 3U);
    const auto found = std::ranges::find(*entries, mac_a, &KernelFdbEntry::mac);
    ASSERT_NE(found, entries->end());
    EXPECT_EQ(found->dst, full.dst);
    EXPECT_EQ(found->port, 8472);
    EXPECT_EQ(found->vni, 77U);
    EXPECT_EQ(found->via, lower);
    EXPECT_TRUE(found->state & NUD_PERMANENT);
    EXPECT_TRUE(found->flags & NTF_SELF);

    {
        const auto scope = a->netns->enter();
        EXPECT_EQ(some_kernel_fdb(*vxlan, 99)->size(), 3U);
        EXPECT_GE(some_kernel_fdb(*vxlan, 1)->size(), 1U);
    }

    ASSERT_TRUE(works(netlink->delete_fdb(*vxlan, flood1)));
    ASSERT_TRUE(works(netlink->delete_fdb(*vxlan, full)));
    entries = netlink->fdb(*vxlan);
    ASSERT_EQ(entries->size(), 1U);
    EXPECT_EQ(entries->front().dst, flood2.dst);
    EXPECT_EQ(netlink->fdb(*other)->size(), 1U);

    const auto twice = netlink->delete_fdb(*vxlan, full);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, ENOENT);
    EXPECT_EQ(twice.error().object, "02:00:00:00:00:0a dst 10.0.0.4 dev vx0");
}

// The answers to all of them do not fit into the receive buffer at once.
TEST_F(NetlinkTest, HearsOfManyRefusals)
{
    VxlanOptions options;
    options.vni = 5;
    const auto vxlan = netlink->add_vxlan({.name = "vx0"}, options);
    ASSERT_TRUE(works(vxlan));
    std::vector<KernelFdbEntry> entries(128, {.mac = mac_a, .dst = ip("10.0.0.4")});
    for (std::size_t n = 0; n < entries.size(); n++)
        entries[n].mac.octets[5] = static_cast<std::uint8_t>(n);
    ASSERT_EQ(*netlink->add_fdb(*vxlan, entries), entries.size());
    const auto again = netlink->add_fdb(*vxlan, entries);
    ASSERT_TRUE(works(again));
    EXPECT_EQ(*again, 0U);
    EXPECT_EQ(netlink->fdb(*vxlan)->size(), entries.size());
}

TEST_F(NetlinkTest, AddressesRoutesAndNeighbours)
{
    const int veth = add_veth("v0", "v1");
    const int peer = netlink->link("v1")->index;
    for (const int index : {veth, peer})
        ASSERT_TRUE(works(netlink->change_link(index, {.up = true})));
    ASSERT_TRUE(works(netlink->add_address(veth, prefix("10.1.0.1/24"))));
    ASSERT_TRUE(works(netlink->add_address(veth, prefix("fd00:1::1/64"))));
    const auto addresses = netlink->addresses(veth);
    ASSERT_TRUE(works(addresses));
    EXPECT_TRUE(std::ranges::count(*addresses, prefix("10.1.0.1/24")) == 1);
    EXPECT_TRUE(std::ranges::count(*addresses, prefix("fd00:1::1/64")) == 1);
    EXPECT_FALSE(std::ranges::count(*addresses, prefix("127.0.0.1/8")) == 1);

    auto route = netlink->route_to(ip("10.1.0.9"));
    ASSERT_TRUE(works(route));
    EXPECT_EQ(route->oif, veth);
    EXPECT_FALSE(route->gateway);
    EXPECT_EQ(route->source, ip("10.1.0.1"));

    const auto nowhere = netlink->route_to(ip("10.9.0.1"));
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().message(), "find route 10.9.0.1: network is unreachable");
    EXPECT_EQ(netlink->route_to(ip("fd00:9::1")).error().code, ENETUNREACH);

    ASSERT_TRUE(works(netlink->add_route(prefix("10.9.0.0/16"), ip("10.1.0.2"), 0)));
    ASSERT_TRUE(works(netlink->add_route(prefix("fd00:9::/32"), ip("fd00:1::2"), veth)));
    ASSERT_TRUE(works(netlink->add_route(prefix("10.8.0.0/16"), ip("fd00:1::3"), veth)));
    ASSERT_TRUE(works(netlink->add_route(prefix("10.7.0.0/16"), {}, peer)));
    EXPECT_EQ(netlink->route_to(ip("10.9.0.1"))->gateway, ip("10.1.0.2"));
    EXPECT_EQ(netlink->route_to(ip("10.9.0.1"), veth)->oif, veth);
    EXPECT_EQ(netlink->route_to(ip("fd00:9::1"))->gateway, ip("fd00:1::2"));
    EXPECT_EQ(netlink->route_to(ip("fd00:9::1"))->source, ip("fd00:1::1"));
    EXPECT_EQ(netlink->route_to(ip("10.8.0.1"))->gateway, ip("fd00:1::3"));
    EXPECT_EQ(netlink->route_to(ip("10.7.0.1"))->oif, peer);
    ASSERT_TRUE(works(netlink->add_route(prefix("0.0.0.0/0"), ip("10.1.0.254"), 0)));
    EXPECT_EQ(netlink->route_to(ip("192.0.2.1"))->gateway, ip("10.1.0.254"));

    const auto twice = netlink->add_route(prefix("10.9.0.0/16"), ip("10.1.0.2"), veth);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().message(), "add route 10.9.0.0/16 via 10.1.0.2 dev v0: file exists");

    for (const char *address : {"10.1.0.2", "fd00:1::2"})
        for (const Mac &mac : {mac_a, mac_b})
            EXPECT_TRUE(works(netlink->replace_neighbour(veth, ip(address), mac)));
    const auto neighbours = netlink->neighbours(veth);
    ASSERT_TRUE(works(neighbours));
    for (const char *address : {"10.1.0.2", "fd00:1::2"}) {
        const auto found = std::ranges::find(*neighbours, ip(address), &KernelNeighbour::ip);
        ASSERT_NE(found, neighbours->end()) << address;
        EXPECT_EQ(found->mac, mac_b);
        EXPECT_TRUE(found->state & NUD_PERMANENT);
    }
    EXPECT_EQ(std::ranges::count(*netlink->neighbours(peer), ip("10.1.0.2"), &KernelNeighbour::ip),
              0);
    EXPECT_TRUE(netlink->route_to(ip("10.1.0.1"))->is_local);
    EXPECT_FALSE(netlink->route_to(ip("10.1.0.2"))->is_local);

    const auto scope = a->netns->enter();
    std::ifstream arp("/proc/thread-self/net/arp");
    const std::string table(std::istreambuf_iterator<char>(arp), {});
    EXPECT_TRUE(table.contains(mac_b.text())) << table;
    EXPECT_FALSE(table.contains(mac_a.text())) << table;
}

std::string output_of(const std::string &command)
{
    std::string text;
    if (std::FILE *pipe = ::popen(command.c_str(), "r")) {
        std::array<char, 4096> chunk{};
        while (const auto size = std::fread(chunk.data(), 1, chunk.size(), pipe))
            text.append(chunk.data(), size);
        ::pclose(pipe);
    }
    return text;
}

TEST_F(NetlinkTest, CorrectsNeighboursThatAreThereAndNotByHand)
{
    const int veth = add_veth("v0", "v1");
    ASSERT_TRUE(works(netlink->change_link(veth, {.up = true})));
    const auto in = [&](const std::string &words) {
        return output_of("ip -n " + a->name + " " + words + " 2>&1");
    };
    for (const std::string address : {"10.1.0.2", "fd00:1::2"}) {
        const auto said = [&](const char *state) {
            return in("neigh replace " + address + " lladdr " + mac_a.text() + " dev v0 nud " +
                      state);
        };
        const auto correct = [&] {
            EXPECT_TRUE(works(netlink->correct_neighbour(veth, ip(address.c_str()), mac_b)));
            return in("neigh show dev v0 " + address);
        };
        EXPECT_EQ(correct(), "") << "makes none";
        for (const char *state : {"reachable", "stale", "delay"}) {
            EXPECT_EQ(said(state), "");
            EXPECT_EQ(correct(), address + " lladdr " + mac_b.text() + " STALE \n") << state;
        }
        EXPECT_EQ(
            in("neigh replace " + address + " lladdr " + mac_b.text() + " dev v0 nud reachable"),
            "");
        EXPECT_EQ(correct(), address + " lladdr " + mac_b.text() + " REACHABLE \n");
        for (const char *state : {"permanent", "noarp"}) {
            EXPECT_EQ(said(state), "");
            EXPECT_EQ(correct().substr(0, 40).find(mac_b.text()), std::string::npos) << state;
        }
    }
}

TEST_F(NetlinkTest, ReadsAndForgetsWhatBridgesLearned)
{
    const int veth = add_veth("v0", "v1");
    const auto bridge = netlink->add_bridge({.name = "br0"});
    ASSERT_TRUE(works(bridge));
    ASSERT_TRUE(works(netlink->change_link(*bridge, {.up = true})));
    ASSERT_TRUE(works(netlink->change_link(netlink->link("v1")->index, {.up = true})));
    ASSERT_TRUE(works(netlink->change_link(veth, {.up = true, .master = *bridge})));
    for (const auto &words :
         {mac_a.text() + " dev v0 master dynamic", mac_b.text() + " dev v0 self"})
        EXPECT_EQ(output_of("bridge -n " + a->name + " fdb add " + words + " 2>&1"), "");
    const auto has = [&](const Mac &mac) {
        const auto lines = netlink->bridge_fdb();
        EXPECT_TRUE(works(lines));
        return std::ranges::any_of(
            *lines, [&](const auto &one) { return one.first == veth && one.second.mac == mac; });
    };
    EXPECT_TRUE(has(mac_a));
    EXPECT_FALSE(has(mac_b)) << "the device's own";
    ASSERT_TRUE(works(netlink->delete_bridge_fdb(veth, mac_a)));
    EXPECT_FALSE(has(mac_a));
    const auto again = netlink->delete_bridge_fdb(veth, mac_a);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ENOENT);
}

TEST_F(EthtoolTest, SwitchesFeatures)
{
    add_veth("v0", "v1");
    const auto scope = a->netns->enter();
    for (const FeatureSetting wanted : {FeatureSetting::off, FeatureSetting::on}) {
        const bool on = wanted == FeatureSetting::on;
        ASSERT_TRUE(works(set_device_feature("v0", "tx-tcp-segmentation", wanted)));
        EXPECT_EQ(device_feature("v0", "tx-tcp-segmentation").value(), on);
        ASSERT_TRUE(works(set_device_feature("v0", "rx-gro", wanted)));
        EXPECT_EQ(device_feature("v0", "rx-gro").value(), on);
    }
    EXPECT_TRUE(device_feature("v1", "tx-tcp-segmentation").value());
}

TEST_F(EthtoolTest, SaysWhatItCannotSwitch)
{
    add_veth("v0", "v1");
    const auto scope = a->netns->enter();
    const auto fixed = set_device_feature("lo", "tx-checksum-ip-generic", FeatureSetting::off);
    ASSERT_FALSE(fixed);
    EXPECT_EQ(fixed.error().message(),
              "set feature tx-checksum-ip-generic dev lo: feature is fixed");
    EXPECT_TRUE(works(set_device_feature("lo", "tx-checksum-ip-generic", FeatureSetting::on)));

    // Segmentation in hardware wants checksums in hardware.
    ASSERT_TRUE(works(set_device_feature("v0", "tx-checksum-ip-generic", FeatureSetting::off)));
    ASSERT_TRUE(works(set_device_feature("v0", "tx-tcp-segmentation", FeatureSetting::off)));
    EXPECT_EQ(set_device_feature("v0", "tx-tcp-segmentation", FeatureSetting::on).error().cause,
              "the device keeps it off");

    EXPECT_EQ(device_feature("v0", "no-such").error().cause, "no such feature");
    EXPECT_EQ(device_feature("v9", "rx-gro").error().code, ENODEV);
    EXPECT_EQ(device_feature("0123456789abcdef", "rx-gro").error().kind, ErrorKind::usage);
}

TEST_F(SysctlTest, IsOfTheThreadsNamespace)
{
    const auto outside = Netns::current();
    const auto before = sysctl("net/ipv4/ip_default_ttl");
    ASSERT_TRUE(works(before));
    const auto scope = a->netns->enter();
    ASSERT_TRUE(works(set_sysctl("net/ipv4/ip_default_ttl", "33")));
    EXPECT_EQ(sysctl("net/ipv4/ip_default_ttl").value(), "33");
    std::thread([&] {
        const auto back = outside->enter();
        EXPECT_EQ(sysctl("net/ipv4/ip_default_ttl").value(), *before);
    }).join();

    EXPECT_EQ(sysctl("net/ipv4/none").error().code, ENOENT);
    EXPECT_EQ(set_sysctl("net/ipv4/ip_default_ttl", "many").error().code, EINVAL);
    for (const char *key : {"", "../self/environ", "net/../../self/comm", "/etc/passwd"}) {
        EXPECT_EQ(sysctl(key).error().kind, ErrorKind::usage) << key;
        EXPECT_EQ(set_sysctl(key, "").error().kind, ErrorKind::usage) << key;
    }
}

} // namespace
} // namespace xvtep
