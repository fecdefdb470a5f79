// SPDX-License-Identifier: GPL-2.0-only
// Outer packets go where the host routes them: by rules, routes, links and policies of its own.
//
//                  s --w0- g1 -w1-- t            u and v lead to the same switch
//   c1 --- h1 ==u==s                t ==u== h2 --- c2
//            ==v== s --w0- g2 -w1-- t
//   198.51.100.0/24, fd51::/64      203.0.113.0/24, fd53::/64

#include <set>

#include "tests/support/overlay_case.h"

namespace xvtep::test {
namespace {

class NextHop : public NetnsCase, public ::testing::WithParamInterface<OverlayParameter> {
  protected:
    static bool kernel() { return GetParam().system == System::kernel; }
    static bool with_ports() { return GetParam().system >= System::ports; }
    static bool xdp() { return GetParam().system == System::xdp; }
    static bool v6() { return GetParam().underlay == Underlay::v6; }

    // Of the near network, of the far one, and the host's own address that no wire has.
    static std::string near(int n)
    {
        return fmt::format("{}{}", v6() ? "fd51::" : "198.51.100.", n);
    }
    static std::string far(int n) { return fmt::format("{}{}", v6() ? "fd53::" : "203.0.113.", n); }
    static std::string own() { return v6() ? "fd52::1" : "192.0.2.1"; }
    static std::string mask() { return v6() ? "/64" : "/24"; }
    static std::string nodad() { return v6() ? "nodad" : ""; }
    static std::string family() { return v6() ? "-6" : "-4"; }
    static std::string far_net() { return v6() ? "fd53::/64" : "203.0.113.0/24"; }
    static std::string near_net() { return v6() ? "fd51::/64" : "198.51.100.0/24"; }

    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        wires();
        addresses();
        if (HasFailure())
            FAIL() << "the network is not there";
    }

    void wires()
    {
        for (const auto &[name, made] : {std::pair("h1", &h_[1]),
                                         {"h2", &h_[2]},
                                         {"g1", &g_[1]},
                                         {"g2", &g_[2]},
                                         {"s", &s_},
                                         {"t", &t_}})
            *made = host(name);
        for (const std::string &name : {s_, t_, h_[1], h_[2], g_[1], g_[2]})
            if (v6() && name != s_ && name != t_) // until it is over, no neighbour is asked for
                in(name,
                   "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
            else
                in(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
                         "net.ipv6.conf.default.disable_ipv6=1");
        for (const std::string &name : {s_, t_}) {
            ip(name, "link add switch type bridge mcast_snooping 0");
            ip(name, "link set switch up");
        }
        const auto plug = [&](const std::string &name, const char *device,
                              const std::string &into) {
            const std::string port = fmt::format("p{}", plugged_++);
            wire(name, device, into, port);
            ip(into, fmt::format("link set {} master switch", port));
            if (xdp()) // a veth takes XDP frames only so
                in(into, fmt::format("ethtool -K {} gro on", port));
            return port;
        };
        u_port_ = plug(h_[1], "u", s_);
        plug(h_[1], "v", s_);
        plug(h_[2], "u", t_);
        for (const int n : {1, 2}) {
            plug(g_[n], "w0", s_);
            plug(g_[n], "w1", t_);
        }
    }

    void addresses()
    {
        ip(h_[1], fmt::format("addr add {}{} dev u {}", near(1), mask(), nodad()));
        ip(h_[1], fmt::format("addr add {}{} dev u {}", near(11), mask(), nodad()));
        ip(h_[1], fmt::format("addr add {}/{} dev lo {}", own(), v6() ? 128 : 32, nodad()));
        ip(h_[2], fmt::format("addr add {}{} dev u {}", far(2), mask(), nodad()));
        for (const int n : {1, 2}) {
            in(g_[n], "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
                      "net.ipv4.conf.all.send_redirects=0");
            ip(g_[n], fmt::format("addr add {}{} dev w0 {}", near(250 + n), mask(), nodad()));
            ip(g_[n], fmt::format("addr add {}{} dev w1 {}", far(250 + n), mask(), nodad()));
        }
        ip(h_[1], fmt::format("route add {} via {} dev u", far_net(), near(251)));
        ip(h_[1],
           fmt::format("{} route add {} via {} dev u table 100", family(), far_net(), near(252)));
        ip(h_[2], fmt::format("route add {} via {}", near_net(), far(251)));
        ip(h_[2], fmt::format("route add {} via {}", own(), far(251)));
        for (const int n : {1, 2})
            if (xdp())
                in(h_[n], "ethtool -K u tx off");
    }

    // A VTEP of `local` at host `n`, and its bridge.
    void vtep(int n, int vni, const std::string &local, const std::string &remote,
              const std::string &devices = "u", const std::string &options = "")
    {
        const std::string name = fmt::format("vxlan{}", vni), bridge = fmt::format("br{}", vni);
        if (kernel()) {
            // With several devices the route alone decides.
            ip(h_[n],
               fmt::format("link add {} mtu 1430 type vxlan id {} dstport 4789 local {} remote "
                           "{} {} {} {}",
                           name, vni, local, remote,
                           devices.find(' ') == std::string::npos ? "dev " + devices : "",
                           v6() ? "" : "noudpcsum", options));
            ip(h_[n], fmt::format("link add {} type bridge mcast_snooping 0", bridge));
            ip(h_[n], fmt::format("link set {} up", bridge));
            ip(h_[n], fmt::format("link set {} master {} up", name, bridge));
            return;
        }
        std::string words;
        for (std::size_t at = 0; (at = options.find_first_not_of(' ', at)) != std::string::npos;
             at = options.find(' ', options.find(' ', at) + 1))
            words += " --" + options.substr(at, options.find(' ', options.find(' ', at) + 1) - at);
        must(fmt::format("{} -n {} attach {} --vni {} --name {} --local {} --remote {} --bridge {} "
                         "--mtu 1430 --mode {} {}",
                         xvtep(), h_[n], devices, vni, name, local, remote, bridge,
                         xdp() ? "xdp" : "tc", words));
    }

    // A container in a VNI's bridge.
    std::string container(int n, int vni, const std::string &name)
    {
        const std::string made = host(name), port = "p" + name;
        in(made,
           "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        wire(h_[n], port, made, "eth0", 1430);
        ip(made, fmt::format("link set eth0 address 02:00:00:00:00:0{}", n));
        ip(made, fmt::format("addr add 10.20.1.{}/24 dev eth0", n));
        ip(made, fmt::format(
                     "neigh replace 10.20.1.{0} lladdr 02:00:00:00:00:0{0} dev eth0 nud permanent",
                     3 - n));
        ip(h_[n], fmt::format("link set {} master br{}", port, vni));
        if (xdp())
            in(made, "ethtool -K eth0 tx off");
        if (with_ports())
            must(fmt::format("{} -n {} port add {} --vni {}", xvtep(), h_[n], port, vni));
        // Until the bridge has heard of the device's carrier, it forwards nothing of it.
        must(fmt::format("until bridge -n {} link show dev {} | grep -q \"state forwarding\"; do "
                         "sleep 0.02; done",
                         h_[n], port),
             10);
        return made;
    }

    // VNI 42 between both hosts, and a container at each end.
    void pair(const std::string &local, const std::string &devices = "u",
              const std::string &options = "")
    {
        vtep(1, 42, local, far(2), devices, options);
        vtep(2, 42, far(2), local);
        c_[1] = container(1, 42, "c1");
        c_[2] = container(2, 42, "c2");
        if (HasFailure())
            FAIL() << "the network is not there";
    }

    static Bytes datagram(const Bytes &mark)
    {
        return Ether{} / (Ipv4{.src = "10.20.1.1", .dst = "10.20.1.2"} /
                          (Udp{.src = 1000, .dst = 9000} / marked(mark, 100)));
    }

    // Frames with the mark that come in on their way to host 2, and their outer sources.
    static int tunnelled(Watch &watch, const Bytes &mark, std::set<std::string> *sources)
    {
        int count = 0;
        for (const Frame &frame : watch.seen())
            if (const auto packet = parse_encapsulated(frame.bytes);
                packet && !frame.outgoing && Watch::contains(frame, mark) &&
                packet->outer.to.text() == far(2)) {
                sources->insert(packet->outer.from.text());
                count++;
            }
        return count;
    }

    // Of frames that container `from` sends over a while: how many come by each gateway.
    struct Ways {
        int sent = 0, first = 0, second = 0;
        std::set<std::string> sources{}; // outer
    };
    Ways ways(const std::string &from, milliseconds time = milliseconds(100))
    {
        Watch first(g_[1], "w0"), second(g_[2], "w0");
        const RawPort port(from, "eth0");
        const Bytes mark = new_mark();
        Ways ways;
        for (const auto end = Clock::now() + time; ways.sent < 5 || Clock::now() < end;
             ways.sent++) {
            port.send(datagram(mark));
            ::usleep(10'000);
        }
        ::usleep(30'000);
        ways.first = tunnelled(first, mark, &ways.sources);
        ways.second = tunnelled(second, mark, &ways.sources);
        return ways;
    }
    void expect_by(int gateway, const std::string &from)
    {
        const Ways found = ways(from);
        EXPECT_EQ(found.first, gateway == 1 ? found.sent : 0) << "by gateway 1 of " << found.sent;
        EXPECT_EQ(found.second, gateway == 2 ? found.sent : 0) << "by gateway 2 of " << found.sent;
    }

    // A change takes effect within about a second: next hops are remembered for so long.
    static void settle()
    {
        if (!kernel())
            ::usleep(1'200'000);
    }

    std::string h_[3], g_[3], c_[3], s_, t_, u_port_;
    int plugged_ = 0;
};

TEST_P(NextHop, ByTheRoute)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(1, c_[1]);
    ip(h_[1], fmt::format("route replace {} via {} dev u", far_net(), near(252)));
    settle();
    expect_by(2, c_[1]);
}

TEST_P(NextHop, ByARuleForThePort)
{
    ip(h_[1], fmt::format("{} rule add ipproto udp dport 4789 table 100", family()));
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(2, c_[1]);
    EXPECT_EQ(pings_lost(c_[1], "10.20.1.2"), 0);
}

TEST_P(NextHop, ByARuleThatComesLater)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(1, c_[1]);
    ip(h_[1], fmt::format("{} rule add ipproto udp dport 4789 table 100", family()));
    settle();
    expect_by(2, c_[1]);
}

// Of two VTEPs, each has the way of its own address, whatever the other sends meanwhile.
TEST_P(NextHop, ByTheSourceOfEachVtep)
{
    ip(h_[1], fmt::format("{} rule add from {} table 100", family(), near(11)));
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    vtep(1, 43, near(11), far(2));
    const std::string other = container(1, 43, "o1");
    ASSERT_FALSE(HasFailure());
    for (int i = 0; i < 6; i++) {
        const Ways one = ways(c_[1]), two = ways(other);
        EXPECT_EQ(one.first, one.sent) << "VNI 42 by gateway 1";
        EXPECT_EQ(two.second, two.sent) << "VNI 43 by gateway 2";
        EXPECT_EQ(one.sources, std::set{near(1)});
        EXPECT_EQ(two.sources, std::set{near(11)});
    }
}

// By the packet's mark, which a socket of the host's own sets here.
TEST_P(NextHop, ByAMark)
{
    ip(h_[1], fmt::format("{} rule add fwmark 2 table 100", family()));
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    ip(h_[1], "addr add 10.20.1.101/24 dev br42");
    ip(h_[1], "neigh replace 10.20.1.2 lladdr 02:00:00:00:00:02 dev br42 nud permanent");
    ASSERT_EQ(pings_lost(c_[2], "10.20.1.101"), 0);
    const Fd socket = socket_in(h_[1], AF_INET, SOCK_DGRAM);
    const SocketAddress to("10.20.1.2", 9000);
    Watch first(g_[1], "w0"), second(g_[2], "w0");
    for (const int value : {0, 2, 0, 2}) {
        const Bytes mark = new_mark();
        ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &value, sizeof(value)), 0);
        for (int i = 0; i < 5; i++)
            ASSERT_GT(::sendto(socket.get(), mark.data(), mark.size(), 0, to.get(), to.size), 0);
        ::usleep(50'000);
        EXPECT_EQ(first.copies(mark), value == 0 ? 5 : 0) << "mark " << value << ", gateway 1";
        EXPECT_EQ(second.copies(mark), value == 2 ? 5 : 0) << "mark " << value << ", gateway 2";
    }
}

TEST_P(NextHop, ByARuleForTheTypeOfService)
{
    ip(h_[1], fmt::format("{} rule add tos 0x10 table 100", family()));
    ASSERT_NO_FATAL_FAILURE(pair(near(1), "u", "tos 0x10"));
    expect_by(2, c_[1]);
}

// The route's own MTU: a path that says nothing drops what is larger.
TEST_P(NextHop, TheRoutesMtu)
{
    ip(h_[1], fmt::format("route replace {} via {} dev u mtu 1400", far_net(), near(251)));
    ip(h_[2], fmt::format("route replace {} via {} mtu 1400", near_net(), far(251)));
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    for (const int n : {1, 2})
        in(h_[n], "ethtool -K u tso off gso off tx off tx-udp_tnl-segmentation off "
                  "tx-udp_tnl-csum-segmentation off gro off");
    for (const char *device : {"w0", "w1"})
        in(g_[1], fmt::format("ethtool -K {} gro off", device));
    Watch there(g_[1], "w0"), back(g_[1], "w1");
    const auto stream = tcp_stream(c_[1], c_[2], "10.20.1.2", 2 << 20);
    EXPECT_EQ(stream.bytes, 2U << 20);
    int large = 0;
    for (Watch *watch : {&there, &back})
        for (const Frame &frame : watch->seen()) {
            const auto &b = frame.bytes;
            const int type = b[12] << 8 | b[13];
            if (frame.outgoing || type != (v6() ? 0x86dd : 0x0800))
                continue;
            large += (v6() ? (b[18] << 8 | b[19]) + 40 : b[16] << 8 | b[17]) > 1400;
        }
    EXPECT_EQ(large, 0) << "packets larger than the route's MTU";
    if (!v6()) { // what may be split is, to pieces that fit
        EXPECT_EQ(pings_lost(c_[1], "10.20.1.2", 3, "-M dont -i 0.05 -s 1380"), 0);
    }
}

TEST_P(NextHop, NowhereIsNowhere)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(1, c_[1]);
    const std::string remote = far(2) + (v6() ? "/128" : "/32");
    for (const char *kind : {"blackhole", "unreachable", "prohibit"}) {
        SCOPED_TRACE(kind);
        ip(h_[1], fmt::format("route replace {} {}", kind, remote));
        settle();
        const Ways none = ways(c_[1]);
        EXPECT_EQ(none.first + none.second, 0);
    }
    ip(h_[1], fmt::format("route del {}", remote));
    settle();
    expect_by(1, c_[1]);
}

class TwoLinks : public NextHop {
  protected:
    // By u through gateway 1, else by v through gateway 2.
    void SetUp() override
    {
        NextHop::SetUp();
        if (IsSkipped() || HasFailure())
            return;
        in(h_[1], "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.u.rp_filter=0 "
                  "net.ipv4.conf.v.rp_filter=0 net.ipv4.conf.all.ignore_routes_with_linkdown=1 "
                  "net.ipv4.conf.u.ignore_routes_with_linkdown=1 net.ipv4.conf.u.arp_ignore=1 "
                  "net.ipv4.conf.v.arp_ignore=1");
        if (v6())
            in(h_[1], "sysctl -qw net.ipv6.conf.u.ignore_routes_with_linkdown=1 "
                      "net.ipv6.conf.all.ignore_routes_with_linkdown=1");
        ip(h_[1], fmt::format("addr add {}{} dev v {}", near(21), mask(), nodad()));
        ip(h_[1], fmt::format("route del {} via {} dev u", far_net(), near(251)));
        ip(h_[1], fmt::format("route add {} via {} dev u metric 10", far_net(), near(251)));
        ip(h_[1], fmt::format("route add {} via {} dev v metric 2000", far_net(), near(252)));
        ip(g_[1], fmt::format("route add {} via {}", own(), near(1)));
        ip(g_[2], fmt::format("route add {} via {}", own(), near(21)));
        if (xdp())
            in(h_[1], "ethtool -K v tx off");
        ASSERT_NO_FATAL_FAILURE(pair(own(), "u v"));
        expect_by(1, c_[1]);
    }
};

TEST_P(TwoLinks, OneIsSetDown)
{
    ip(h_[1], "link set u down");
    settle();
    expect_by(2, c_[1]);
}

// Over IPv4 alone: over IPv6 the kernel's device stays with the dead link.
class LostCarrier : public TwoLinks {};

TEST_P(LostCarrier, OneLosesItsCarrier)
{
    ip(s_, fmt::format("link set {} down", u_port_));
    ::usleep(100'000); // the kernel looks at carriers now and then
    settle();
    expect_by(2, c_[1]);
    ip(s_, fmt::format("link set {} up", u_port_));
    ::usleep(300'000);
    settle();
    expect_by(1, c_[1]);
}

// Policies for the tunnel's packets: without keys, what is to be encrypted does not leave.
class Encryption : public NextHop {
  protected:
    std::string policy(const std::string &verb, const char *direction, const char *protocol,
                       const char *what = "esp")
    {
        const std::string selector =
            fmt::format("policy {} src {}{} dst {}{} proto {} dir {}", verb, near(1),
                        v6() ? "/128" : "/32", far(2), v6() ? "/128" : "/32", protocol, direction);
        if (verb == "del")
            return selector;
        return what == std::string("block")
                   ? selector + " action block"
                   : fmt::format("{} tmpl src {} dst {} proto esp mode transport", selector,
                                 near(1), far(2));
    }
    // False: this kernel has no policies.
    bool xfrm(int n, const std::string &words)
    {
        const Output output = sh(fmt::format("ip -n {} xfrm {}", h_[n], words));
        if (output.status != 0)
            why_ = output.text;
        return output.status == 0;
    }
    std::string why_;
};

TEST_P(Encryption, DemandedBefore)
{
    if (!xfrm(1, policy("add", "out", "udp")))
        GTEST_SKIP() << "no xfrm policies here: " << why_;
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    const Ways clear = ways(c_[1]);
    EXPECT_EQ(clear.first + clear.second, 0) << "in clear, of " << clear.sent;
    ASSERT_TRUE(xfrm(1, policy("del", "out", "udp")));
    settle();
    expect_by(1, c_[1]);
}

TEST_P(Encryption, DemandedLater)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(1, c_[1]);
    for (const char *what : {"esp", "block"}) {
        SCOPED_TRACE(what);
        if (!xfrm(1, policy("add", "out", "udp", what)))
            GTEST_SKIP() << "no xfrm policies here: " << why_;
        settle();
        const Ways clear = ways(c_[1]);
        EXPECT_EQ(clear.first + clear.second, 0) << "in clear, of " << clear.sent;
        ASSERT_TRUE(xfrm(1, policy("del", "out", "udp")));
        settle();
        expect_by(1, c_[1]);
    }
}

TEST_P(Encryption, OfOtherTrafficIsNoMatter)
{
    if (!xfrm(1, policy("add", "out", "tcp")))
        GTEST_SKIP() << "no xfrm policies here: " << why_;
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    expect_by(1, c_[1]);
    EXPECT_EQ(pings_lost(c_[1], "10.20.1.2"), 0);
}

// At the receiver: what has to come encrypted is not taken in clear.
TEST_P(Encryption, DemandedOfWhatComes)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    Watch ear(c_[2], "eth0");
    const Bytes before = new_mark(), after = new_mark();
    send_raw(c_[1], "eth0", datagram(before));
    ASSERT_TRUE(ear.wait([&] { return ear.copies(before) == 1; }));
    if (!xfrm(2, policy("add", "in", "udp")))
        GTEST_SKIP() << "no xfrm policies here: " << why_;
    settle();
    for (int i = 0; i < 5; i++)
        send_raw(c_[1], "eth0", datagram(after));
    ::usleep(100'000);
    EXPECT_EQ(ear.copies(after), 0) << "in clear";
}

// What a router is said to have reported about a packet of ours.
class Reported : public NextHop {
  protected:
    static constexpr unsigned path = 1300;

    // ICMP from anywhere on the path, quoting `quoted` bytes from the outer UDP header on.
    void report(std::uint32_t vni, std::size_t quoted) const
    {
        const std::string mac = in(h_[1], "cat /sys/class/net/u/address").substr(0, 17),
                          from = near(251), to = near(1), remote = far(2);
        Bytes udp = Udp{.src = 50'000} / (Vxlan{.vni = vni} / (Ether{} / payload(46)));
        udp.resize(quoted);
        Bytes message;
        Bytes frame = octets_of(mac);
        put(frame, *Mac::parse("02:00:00:00:99:99"));
        if (v6()) {
            put32(message, 0x02000000);
            put32(message, path);
            put(message, Ipv6{.src = to.c_str(), .dst = remote.c_str(), .length = 1400} / udp);
            const auto sum = transport_checksum(*Ip::parse(from), *Ip::parse(to), 58, message);
            message[2] = static_cast<std::uint8_t>(sum >> 8);
            message[3] = static_cast<std::uint8_t>(sum & 0xff);
            put16(frame, 0x86dd);
            put(frame, Ipv6{.src = from.c_str(), .dst = to.c_str(), .next = 58} / message);
        } else {
            put32(message, 0x03040000);
            put32(message, path);
            put(message, Ipv4{.src = to.c_str(), .dst = remote.c_str(), .length = 1400} / udp);
            const auto sum = internet_checksum(message);
            message[2] = static_cast<std::uint8_t>(sum >> 8);
            message[3] = static_cast<std::uint8_t>(sum & 0xff);
            put16(frame, 0x0800);
            put(frame, Ipv4{.src = from.c_str(), .dst = to.c_str(), .proto = 1} / message);
        }
        send_raw(g_[1], "w0", frame);
        ::usleep(50'000);
    }
    static Bytes octets_of(const std::string &mac)
    {
        Bytes out;
        put(out, *Mac::parse(mac));
        return out;
    }
    // Pings that fit into the path but not into the reported one, and may not be split.
    int large_lost() { return pings_lost(c_[1], "10.20.1.2", 3, "-M do -i 0.05 -s 1280"); }
};

TEST_P(Reported, OnlyOfPacketsOfOurs)
{
    ASSERT_NO_FATAL_FAILURE(pair(near(1)));
    ASSERT_EQ(large_lost(), 0);
    report(77, 70); // a VNI that is not here
    report(42, 8);  // no VXLAN header is quoted
    report(42, 15); // nor the whole of one
    settle();
    EXPECT_EQ(large_lost(), 0);
    report(42, 70);
    settle();
    EXPECT_EQ(large_lost(), 3) << "of a packet that may be ours";
}

const auto families = fewer_overlays();
const auto name = [](const auto &test) { return name_of(test.param); };
INSTANTIATE_TEST_SUITE_P(Overlays, NextHop, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, TwoLinks, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, LostCarrier,
                         ::testing::ValuesIn(only(families,
                                                  [](const OverlayParameter &overlay) {
                                                      return overlay.underlay == Underlay::v4;
                                                  })),
                         name);
INSTANTIATE_TEST_SUITE_P(Overlays, Encryption, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, Reported, ::testing::ValuesIn(families), name);

} // namespace
} // namespace xvtep::test
