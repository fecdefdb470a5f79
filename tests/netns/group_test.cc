// SPDX-License-Identifier: GPL-2.0-only
// VTEPs in multicast groups behind a switch that snoops IGMP and MLD. The same with the kernel's
// device, which says what is right.
//
//   h1 ─u── s1 ┐                          VNIs 42 (239.1.1.42) and 46 (ff05::46), whose devices
//   have h2 ─u── s2 ├ sw: sw ── x ── y: tw     the addresses 10.20.1.N and 10.20.2.N; VNI 43 is in
//   the h3 ─u── s3 ┘                          same group as 42. h3 is in no group. tw: a second
//   switch.

#include <fstream>
#include <string>

#include "tests/support/overlay_case.h"

namespace xvtep::test {
namespace {

enum class Member { kernel, tc, xdp };
void PrintTo(Member member, std::ostream *out)
{
    static const char *const names[] = {"kernel", "tc", "xdp"};
    *out << names[static_cast<int>(member)];
}

class Group : public NetnsCase, public ::testing::WithParamInterface<Member> {
  protected:
    static constexpr int families = 2;
    static bool kernel() { return GetParam() == Member::kernel; }
    static int vni(int f) { return f == 0 ? 42 : 46; }
    static std::string device(int vni) { return fmt::format("vxlan{}", vni); }
    static const char *group(int f) { return f == 0 ? "239.1.1.42" : "ff05::46"; }
    static std::string outer(int f, int n)
    {
        return fmt::format("{}{}", f == 0 ? "192.168.8." : "fd08::", n);
    }

    void batch(const std::string &host, const std::string &lines)
    {
        const std::string path = file("batch");
        std::ofstream(path) << lines << "\n";
        must(fmt::format("ip -n {} -batch {}", host, path));
    }

    // A switch that snoops. It asks for members where it is the querier, and then sends groups
    // only where it has heard of some.
    void make_switch(const std::string &name, bool querier)
    {
        ip(sw_, fmt::format("link add {} type bridge mcast_snooping 1 mcast_querier 0 "
                            "mcast_query_response_interval 20 mcast_startup_query_interval 30 "
                            "mcast_query_interval 100 mcast_startup_query_count 3",
                            name));
        ip(sw_, fmt::format("link set {} up", name));
        if (!querier)
            return;
        // With an address: other switches take nobody without one for the querier.
        ip(sw_, fmt::format("addr add 192.168.8.250/24 dev {}", name));
        ip(sw_, fmt::format("link set {} type bridge mcast_query_use_ifaddr 1", name));
        ip(sw_, fmt::format("link set {} type bridge mcast_querier 1", name));
    }
    void plug(const std::string &port, const std::string &into)
    {
        ip(sw_, fmt::format("link set {} master {}", port, into));
        must(fmt::format("bridge -n {} link set dev {} mcast_flood off", sw_, port));
    }

    void build(bool querier)
    {
        sw_ = host("sw");
        in(sw_, "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
        make_switch("sw", querier);
        for (int n = 1; n <= 3; n++) {
            h_[n] = host(fmt::format("h{}", n));
            in(h_[n], "sysctl -qw net.ipv6.conf.all.accept_dad=0 "
                      "net.ipv6.conf.default.accept_dad=0 "
                      "net.ipv6.conf.default.keep_addr_on_down=1");
            wire(h_[n], "u", sw_, fmt::format("s{}", n));
            if (GetParam() == Member::xdp) {
                in(h_[n], "ethtool -K u tx off");
                in(sw_, fmt::format("ethtool -K s{} gro on", n));
            }
            batch(h_[n], fmt::format("addr add {}/24 dev u\naddr add {}/64 dev u nodad",
                                     outer(0, n), outer(1, n)));
            if (querier)
                plug(fmt::format("s{}", n), "sw");
            else
                ip(sw_, fmt::format("link set s{} master sw", n));
        }
        for (const int n : {1, 2})
            for (int f = 0; f < families; f++)
                attach(n, vni(f), f);
        if (HasFailure())
            FAIL() << "the network is not there";
    }

    void attach(int n, int vni, int f, const std::string &options = "")
    {
        const std::string name = device(vni);
        in(h_[n], "sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        if (kernel())
            batch(h_[n], fmt::format("link add {} address 02:00:00:00:{:02x}:{:02x} type vxlan id "
                                     "{} dstport 4789 local {} group {} dev u {}\nlink set {} up",
                                     name, vni, n, vni, outer(f, n), group(f), options, name));
        else
            must(fmt::format("{} -n {} attach u --vni {} --name {} --mac 02:00:00:00:{:02x}:{:02x} "
                             "--local {} --group {} --mode {} {}",
                             xvtep(), h_[n], vni, name, vni, n, outer(f, n), group(f),
                             GetParam() == Member::xdp ? "xdp" : "tc", options));
    }
    void detach(int n, int vni)
    {
        if (kernel())
            ip(h_[n], "link del " + device(vni));
        else
            must(fmt::format("{} -n {} detach u --vni {}", xvtep(), h_[n], vni));
    }

    // A broadcast of one host's VTEP: how often it comes out at the other's, and passes h3's port.
    std::string flood(int vni, int from, milliseconds patience = milliseconds(0))
    {
        const int to = 3 - from;
        Watch there(h_[to], device(vni)), third(h_[3], "u");
        const auto deadline = Clock::now() + patience;
        for (;;) {
            const Bytes mark = new_mark();
            const std::string source = fmt::format("02:00:00:00:{:02x}:{:02x}", vni, from);
            send_raw(h_[from], device(vni),
                     Ether{.dst = "ff:ff:ff:ff:ff:ff", .src = source.c_str(), .type = 0x88b5} /
                         marked(mark));
            there.wait([&] { return there.copies(mark) > 0; }, milliseconds(100));
            if (there.copies(mark) == 1 || Clock::now() > deadline)
                return fmt::format("{} and {}", there.copies(mark), third.copies(mark));
        }
    }
    // Both families, both ways; soon.
    void expect_floods(const char *what)
    {
        for (int f = 0; f < families; f++)
            for (const int from : {1, 2})
                EXPECT_EQ(flood(vni(f), from, milliseconds(8000)), "1 and 0")
                    << what << ", " << group(f) << " from " << from;
    }

    // The switch's ports that have members of the group, once they are `wanted`.
    std::string members(const std::string &bridge, int f, const std::string &wanted)
    {
        std::string found;
        for (const auto deadline = Clock::now() + milliseconds(3000); Clock::now() < deadline;
             ::usleep(20'000)) {
            found.clear();
            for (const char *port : {"s1", "s2", "s3"})
                if (sh(fmt::format("bridge -n {} mdb show dev {} | grep -q \"port {} grp {} \"",
                                   sw_, bridge, port, group(f)))
                        .status == 0)
                    found += std::string(port) + " ";
            if (found == wanted)
                break;
        }
        return found;
    }

    std::string sw_, h_[4];
};

TEST_P(Group, IsKnownToASwitchThatSnoops)
{
    ASSERT_NO_FATAL_FAILURE(build(true));
    for (int f = 0; f < families; f++)
        EXPECT_EQ(members("sw", f, "s1 s2 "), "s1 s2 ");
    expect_floods("at first");
    // Of replies too, and the third host sees none of them.
    for (const int n : {1, 2})
        ip(h_[n], fmt::format("addr add 10.20.1.{}/24 dev vxlan42", n));
    {
        Watch third(h_[3], "u");
        EXPECT_EQ(pings_lost(h_[1], "10.20.1.2"), 0);
        for (const Frame &frame : third.seen())
            if (const auto packet = parse_packet(frame.bytes); packet && packet->udp) {
                EXPECT_NE(packet->udp->destination, 4789);
            }
    }

    // Several VNIs in one group: that of those that are left stays.
    for (const int n : {1, 2})
        attach(n, 43, 0);
    EXPECT_EQ(flood(43, 1, milliseconds(2000)), "1 and 0");
    detach(1, 43);
    detach(2, 43);
    expect_floods("after another VNI of the group has gone");

    // The wire is gone for a moment; then the port; then the port has another name.
    ip(sw_, "link set s2 down");
    ip(sw_, "link set s2 up");
    expect_floods("after the carrier was lost");
    ip(h_[2], "link set u down");
    ip(h_[2], "link set u up");
    expect_floods("after the port was down");
    ip(h_[2], "link set u name uu");
    expect_floods("after the port was renamed");
    ip(h_[2], "link set uu name u");

    // The cable is in another switch now.
    wire(sw_, "x", sw_, "y");
    make_switch("tw", false);
    ip(sw_, "link set x master sw");
    ip(sw_, "link set y master tw");
    ip(sw_, "link set s2 nomaster");
    // Without "mcast_flood off", by which a bridge also keeps queries of others from the port.
    ip(sw_, "link set s2 master tw");
    must(fmt::format("bridge -n {} link set dev s2 mcast_flood on", sw_));
    expect_floods("behind another switch");
}

class GroupReports : public Group {};

// Older reports, routes for groups, and other addresses.
TEST_P(GroupReports, AreOfEveryVersionAndRoutesLeadToTheGroup)
{
    ASSERT_NO_FATAL_FAILURE(build(true));
    expect_floods("at first");
    for (const auto &[igmp, mld] : {std::pair(2, 1), {1, 1}, {3, 2}}) {
        in(h_[2], fmt::format("sysctl -qw net.ipv4.conf.u.force_igmp_version={} "
                              "net.ipv6.conf.u.force_mld_version={}",
                              igmp, mld));
        ip(h_[2], "link set u down");
        ip(sw_, "link set s2 down"); // the switch forgets
        ip(sw_, "link set s2 up");
        ip(h_[2], "link set u up");
        for (int f = 0; f < families; f++)
            EXPECT_EQ(members("sw", f, "s1 s2 "), "s1 s2 ") << igmp << " " << mld;
        expect_floods("with reports of that version");
    }
    ip(h_[1], "route add 239.0.0.0/8 dev u");
    ip(h_[1], "route add multicast ff05::/16 dev u table 255");
    expect_floods("with routes to the groups");
    ip(h_[1], "addr add 192.168.8.111/24 dev u");
    ip(h_[1], "route replace 239.1.1.0/24 dev u src 192.168.8.111");
    expect_floods("with a route that has a source");
    ip(h_[2], "addr add 192.168.8.112/24 dev u");
    ip(h_[2], "addr add fd08::112/64 dev u nodad");
    ip(h_[2], "addr del 192.168.8.112/24 dev u");
    expect_floods("after addresses came and went");
}

// Without a querier the switch floods what it has no member for, and a third host sees it; TTL.
TEST_P(GroupReports, AreNotNeededWhereNobodyAsksForThem)
{
    ASSERT_NO_FATAL_FAILURE(build(false));
    for (int f = 0; f < families; f++) {
        const std::string seen = flood(vni(f), 1, milliseconds(2000));
        EXPECT_TRUE(seen.starts_with("1 and ")) << seen;
    }
    Watch wire(sw_, "s2"); // at the host's end XDP has taken it
    const auto ttl = [&](int vni) {
        wire.forget();
        flood(vni, 1);
        int found = -1;
        for (const Frame &frame : wire.seen())
            if (const auto packet = parse_encapsulated(frame.bytes); packet && frame.outgoing)
                found = static_cast<int>(packet->outer.ttl);
        return found;
    };
    const int usual = ttl(42), usual6 = ttl(46);
    EXPECT_EQ(usual, 1) << "as the kernel's device has it for groups";
    EXPECT_EQ(usual6, 1);
    for (const int n : {1, 2})
        attach(n, 43, 0, kernel() ? "ttl 7" : "--ttl 7");
    EXPECT_EQ(ttl(43), 7);
}

INSTANTIATE_TEST_SUITE_P(Members, Group, ::testing::Values(Member::kernel, Member::tc, Member::xdp),
                         [](const auto &test) { return ::testing::PrintToString(test.param); });

INSTANTIATE_TEST_SUITE_P(Members, GroupReports, ::testing::Values(Member::kernel, Member::tc),
                         [](const auto &test) { return ::testing::PrintToString(test.param); });

class GroupOfTwoPorts : public NetnsCase {};

// The kernel joins a group at one port.
TEST_F(GroupOfTwoPorts, IsRefused)
{
    const std::string a = host("a");
    for (const char *port : {"u", "v"}) {
        ip(a, fmt::format("link add {0} type veth peer name {0}p", port));
        ip(a, fmt::format("link set {} up", port));
    }
    ip(a, "addr add 192.168.8.1/24 dev u");
    const Output output = sh(fmt::format(
        "{} -n {} attach u v --vni 42 --group 239.1.1.42 --local 192.168.8.1", xvtep(), a));
    EXPECT_EQ(output.status, 2) << output.text;
    EXPECT_EQ(output.text, "attach u v: create link xvtep42: invalid argument (Local interface "
                           "required for multicast remote destination)\n");
    EXPECT_EQ(sh(fmt::format("{} -n {} -j show", xvtep(), a)).text, "[]\n");
}

} // namespace
} // namespace xvtep::test
