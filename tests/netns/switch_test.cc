// SPDX-License-Identifier: GPL-2.0-only
// Ports, their bridges, the VTEP's device and the host as one switch, within one host.
//
//   w ==u1==u== h      h: VTEP `vxlan0`, VNI 42, remote w;  containers a, b, s behind va, vb, vs

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/program/packet.h"
#include "tests/support/netns_case.h"
#include "user/base/fd.h"

namespace xvtep::test {
namespace {

class Switch : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        h_ = host("h");
        w_ = host("w");
        quiet(h_);
        quiet(w_);
        wire(h_, "u", w_, "u1");
        ip(h_, "addr add 192.168.8.1/24 dev u");
        ip(w_, "addr add 192.168.8.2/24 dev u1");
    }

    static void quiet(const std::string &host)
    {
        in(host,
           "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    }

    // A container at 10.20.1.`n`, its host's end `v` and its name.
    std::string container(const std::string &name, int n)
    {
        const std::string made = host(name);
        quiet(made);
        wire(h_, "v" + name, made, "eth0", 1450);
        ip(made, fmt::format("addr add 10.20.1.{}/24 dev eth0", n));
        return made;
    }

    void run(const std::string &words) { must(fmt::format("{} -n {} {}", xvtep(), h_, words)); }

    nlohmann::json stats(const std::string &device)
    {
        return nlohmann::json::parse(
            must(fmt::format("{} -n {} -j stats dev {}", xvtep(), h_, device)))[0];
    }

    static void send(const std::string &host, const char *device, const Bytes &frame)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex(device));
        ASSERT_EQ(::sendto(socket.get(), frame.data(), frame.size(), 0,
                           reinterpret_cast<const sockaddr *>(&to), sizeof(to)),
                  static_cast<ssize_t>(frame.size()));
    }

    static unsigned long received(const std::string &host)
    {
        return std::stoul(in(host, "cat /sys/class/net/eth0/statistics/rx_packets"));
    }

    void make_path_small()
    {
        ip(h_, "link set u mtu 1400");
        ip(w_, "link set u1 mtu 1400");
    }

    // A port without a bridge hears of each of its frames, which is larger than the path.
    void expect_answered(const Bytes &frame)
    {
        const std::string a = container("a", 2);
        make_path_small();
        run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --mtu 1450");
        run("port add va --vni 42");
        send(a, "eth0", frame);
        ::usleep(100'000);
        const auto before = received(a);
        for (int n = 0; n < 3; n++)
            send(a, "eth0", frame);
        ::usleep(100'000);
        EXPECT_EQ(received(a), before + 3);
    }

    std::string h_, w_;
};

// The tenants of the bridge are others than those of the VLAN.
TEST_F(Switch, AMappedVlanDoesNotReachTheTrunksBridge)
{
    const std::string trunk = container("t", 1), guest = container("g", 2);
    ip(h_, "link add br9 type bridge mcast_snooping 0");
    ip(h_, "link set br9 up");
    ip(h_, "link set vt master br9");
    ip(h_, "link set vg master br9");
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
    run("port add vt --vni 42 --vlan 100");
    const auto before = received(guest);
    const auto sent = stats("vxlan0")["tx_packets"].get<int>();
    for (const char *to : {"ff:ff:ff:ff:ff:ff", "02:00:00:00:00:77"})
        send(trunk, "eth0", Ether{.dst = to, .type = 0x88b5, .vlan = 100} / payload(46));
    ::usleep(100'000);
    EXPECT_EQ(received(guest), before);
    EXPECT_EQ(stats("vxlan0")["tx_packets"], sent + 2);
}

// A patch to another bridge of the same host: its other end is in reach for no redirect_peer.
TEST_F(Switch, APortWhoseOtherEndIsHere)
{
    const std::string a = container("a", 2), b = container("b", 3);
    must(fmt::format("ip -n {} link add p0 type veth peer name p1", h_));
    ip(h_, "link add br1 type bridge");
    for (const char *device : {"br1", "p0", "p1"})
        ip(h_, fmt::format("link set {} up", device));
    ip(h_, "link set p1 master br1");
    ip(h_, "link set vb master br1");
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
    run("port add va --vni 42");
    run("port add p0 --vni 42");
    EXPECT_EQ(pings_lost(a, "10.20.1.3"), 0);
    EXPECT_EQ(pings_lost(b, "10.20.1.2"), 0);
}

// A VLAN of the VNI elsewhere makes no second copy for the ports of a bridge.
TEST_F(Switch, BridgedPortsHaveOneCopy)
{
    const std::string a = container("a", 2), s = container("s", 3), trunk = container("t", 4);
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --bridge br0");
    for (const char *device : {"va", "vs"})
        ip(h_, fmt::format("link set {} master br0", device));
    run("port add va --vni 42");
    run("port add vt --vni 42 --vlan 100");
    ASSERT_EQ(pings_lost(a, "10.20.1.3"), 0);
    const std::string mac = in(a, "cat /sys/class/net/eth0/address").substr(0, 17);
    ip(h_, "link set br0 type bridge fdb_flush"); // the bridge floods, the VTEP knows
    const auto dropped = stats("vxlan0")["drops"]["port_copy"].get<int>();
    const std::string out = file("copies");
    must(fmt::format(
        "(ip netns exec {} timeout 3 tcpdump -lni eth0 ether proto 0x88b5 >{} 2>/dev/null "
        "&) ; sleep 1",
        a, out)); // other frames come and go
    send(s, "eth0", Ether{.dst = mac.c_str(), .type = 0x88b5} / payload(46));
    ::usleep(2'500'000);
    EXPECT_EQ(must("grep -c 0x88b5 " + out), "1\n");
    EXPECT_GE(stats("vxlan0")["drops"]["port_copy"], dropped + 1);
}

TEST_F(Switch, TheHostReachesItsPortsThroughProxyAndPastEntriesForAll)
{
    const std::string a = container("a", 2);
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --proxy");
    ip(h_, "addr add 10.20.1.1/24 dev vxlan0");
    run("port add va --vni 42");
    EXPECT_EQ(pings_lost(h_, "10.20.1.2"), 0);
    EXPECT_EQ(pings_lost(a, "10.20.1.1"), 0);
    run("detach u");
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
    ip(h_, "addr add 10.20.1.1/24 dev vxlan0");
    run("port add va --vni 42");
    run("fdb add ff:ff:ff:ff:ff:ff dev vxlan0 dst 192.168.8.2");
    EXPECT_EQ(pings_lost(h_, "10.20.1.2"), 0);
}

// What is learned while a VTEP goes is not there when it comes again.
TEST_F(Switch, DetachUnderTrafficLeavesNoEntries)
{
    run("attach u --vni 43 --name other --remote 192.168.8.2"); // keeps the maps
    const std::string mac = in(h_, "cat /sys/class/net/u/address").substr(0, 17);
    for (int round = 0; round < 3; round++) {
        run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
        std::atomic<bool> stop = false;
        std::thread churn([&] {
            for (unsigned n = 0; !stop; n++) {
                const std::string source = fmt::format("02:00:00:{:02x}:{:02x}:{:02x}",
                                                       n >> 16 & 0xff, n >> 8 & 0xff, n & 0xff);
                send(w_, "u1",
                     Ether{.dst = mac.c_str()} /
                         (Ipv4{.src = "192.168.8.2", .dst = "192.168.8.1"} /
                          (Udp{} / (Vxlan{} / (Ether{.dst = "ff:ff:ff:ff:ff:ff",
                                                     .src = source.c_str(),
                                                     .type = 0x88b5} /
                                               payload(46))))));
            }
        });
        ::usleep(200'000);
        run("detach u --vni 42");
        stop = true;
        churn.join();
        run("attach u --vni 42 --name vxlan0");
        const Output shown = sh(fmt::format("{} -n {} fdb show dev vxlan0", xvtep(), h_));
        EXPECT_EQ(shown.text, "") << "round " << round;
        run("detach u --vni 42");
    }
}

// Frames to the host's own MAC do not leave by the tunnel, whatever it is now.
TEST_F(Switch, AnotherMacOfTheDeviceIsNoticedWithoutACommand)
{
    const std::string a = container("a", 3);
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
    run("port add va --vni 42");
    ip(h_, "addr add 10.20.1.254/24 dev vxlan0");
    for (const char *mac : {"02:00:00:00:00:aa", "02:00:00:00:00:bb"}) {
        ip(h_, fmt::format("link set vxlan0 address {}", mac));
        ip(a, "neigh flush dev eth0");
        EXPECT_EQ(pings_lost(a, "10.20.1.254", 2), 0) << mac;
        const auto sent = stats("vxlan0")["tx_packets"].get<int>();
        EXPECT_EQ(pings_lost(a, "10.20.1.254", 5), 0) << mac;
        EXPECT_EQ(stats("vxlan0")["tx_packets"].get<int>(), sent) << mac;
    }
}

// As a bridge that knows the MAC behind the tunnel: other containers do not see the frame.
TEST_F(Switch, AFrameOfTheTunnelForAnotherVtepsMacStaysOut)
{
    const std::string a = container("a", 2), b = container("b", 3);
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2");
    run("port add va --vni 42");
    run("port add vb --vni 42");
    run("fdb add 02:00:00:00:00:99 dev vxlan0 dst 192.168.8.2 static");
    const std::string mac = in(h_, "cat /sys/class/net/u/address").substr(0, 17);
    const auto arrives = [&](const char *to) {
        const auto before = received(a) + received(b);
        const Bytes inner =
            Ether{.dst = to, .src = "02:00:00:00:00:98", .type = 0x88b5} / payload(46);
        for (int n = 0; n < 2; n++) // by the kernel's device, which learns, and by the programs
            send(w_, "u1",
                 Ether{.dst = mac.c_str()} / (Ipv4{.src = "192.168.8.2", .dst = "192.168.8.1"} /
                                              (Udp{} / (Vxlan{} / inner))));
        ::usleep(100'000);
        return received(a) + received(b) - before;
    };
    EXPECT_EQ(arrives("02:00:00:00:00:97"), 4U); // unknown: both, twice
    EXPECT_EQ(arrives("02:00:00:00:00:99"), 0U);
    EXPECT_EQ(arrives("00:00:00:00:00:00"), 4U); // the key of the default entry
}

TEST_F(Switch, AContainerDoesNotTakeTheDevicesMac)
{
    const std::string a = container("a", 2), b = container("b", 3);
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --mac 02:00:00:00:00:77");
    run("port add va --vni 42");
    run("port add vb --vni 42");
    send(a, "eth0",
         Ether{.dst = "ff:ff:ff:ff:ff:ff", .src = "02:00:00:00:00:77", .type = 0x88b5} /
             payload(46));
    ::usleep(100'000);
    const auto before = received(a);
    for (int n = 0; n < 5; n++)
        send(b, "eth0", Ether{.dst = "02:00:00:00:00:77", .type = 0x88b5} / payload(46));
    ::usleep(100'000);
    EXPECT_EQ(received(a), before);
    EXPECT_GE(stats("vxlan0")["passed"]["switched"].get<int>(), 5); // to the host
}

// The error of the VTEP's device finds its way to the port that has sent the frame.
TEST_F(Switch, APortHearsThatItsFrameToAnUnknownMacIsTooBig)
{
    expect_answered(Ether{.dst = "02:00:00:00:00:99", .src = "02:00:00:00:00:0a"} /
                    (Ipv4{.fragment = 0x4000} / (Udp{.dst = 7} / payload(1400 - 28))));
}

// RFC 4443 2.4 (e.3) makes an exception for "packet too big" about packets to many.
TEST_F(Switch, APortHearsThatItsFrameToAMulticastAddressIsTooBig)
{
    expect_answered(Ether{.dst = "02:00:00:00:00:99", .src = "02:00:00:00:00:0a", .type = 0x86dd} /
                    (Ipv6{.src = "fd20::2", .dst = "ff05::7", .next = 99} / payload(1400 - 40)));
}

// Its own place is another one than that of the error that a container hears.
TEST_F(Switch, AnErrorDoesNotGoToWhoBorrowedTheMac)
{
    const std::string a = container("a", 2);
    make_path_small();
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --mtu 1450 "
        "--mac 02:00:00:00:00:77");
    run("port add va --vni 42");
    for (const char *remote : {"02:00:00:00:00:88", "02:00:00:00:00:99"})
        run(fmt::format("fdb add {} dev vxlan0 dst 192.168.8.2 static", remote));
    const auto before = received(a);
    for (const char *source : {"02:00:00:00:00:77", "02:00:00:00:00:88"})
        for (int n = 0; n < 3; n++)
            send(a, "eth0",
                 Ether{.dst = "02:00:00:00:00:99", .src = source} /
                     (Ipv4{.fragment = 0x4000} / (Udp{.dst = 7} / payload(1400 - 28))));
    ::usleep(100'000);
    EXPECT_EQ(received(a), before);
}

// The kernel's device turns errors round, and frames to other VTEPs of this host: they are no proof
// of what MAC the device has, and a container may not choose it.
TEST_F(Switch, AnErrorOfTheKernelsDeviceDoesNotChangeTheDevicesMac)
{
    const std::string a = container("a", 2);
    ip(h_, "link add br0 type bridge mcast_snooping 0");
    ip(h_, "link set br0 up");
    ip(h_, "link set va master br0");
    make_path_small();
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --mtu 1450 --bridge br0");
    run("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.3"); // the kernel's device floods
    const char *const borrowed = "02:00:00:00:00:98";
    const auto before = received(a);
    for (int n = 0; n < 3; n++)
        send(a, "eth0",
             Ether{.dst = "02:00:00:00:00:99", .src = borrowed} /
                 (Ipv4{.fragment = 0x4000} / (Udp{.dst = 7} / payload(1400 - 28))));
    ::usleep(100'000);
    ASSERT_GT(received(a), before); // the errors
    EXPECT_EQ(must(fmt::format("{} -n {} fdb show dev vxlan0 | grep 02:00:00:00:00:99; true",
                               xvtep(), h_)),
              ""); // of which nothing is learned
    const std::string mac = in(h_, "cat /sys/class/net/u/address").substr(0, 17);
    const auto then = received(a);
    for (int n = 0; n < 3; n++)
        send(w_, "u1",
             Ether{.dst = mac.c_str()} /
                 (Ipv4{.src = "192.168.8.2", .dst = "192.168.8.1"} /
                  (Udp{} /
                   (Vxlan{} / (Ether{.dst = "ff:ff:ff:ff:ff:ff", .src = borrowed, .type = 0x88b5} /
                               payload(46))))));
    ::usleep(100'000);
    EXPECT_EQ(received(a), then + 3);
    EXPECT_EQ(stats("vxlan0")["drops"]["local_mac"], 0);
}

// A bridge learns from each frame, and the MAC is where its last one came from.
TEST_F(Switch, AMacThatWasBorrowedComesBackWithTheNextFrameOfItsOwner)
{
    const std::string owner = container("a", 2), thief = container("b", 3),
                      third = container("c", 4);
    ip(h_, "link add br0 type bridge mcast_snooping 0");
    ip(h_, "link set br0 up");
    for (const char *port : {"va", "vb", "vc"})
        ip(h_, std::string("link set ") + port + " master br0");
    run("attach u --vni 42 --name vxlan0 --remote 192.168.8.2 --bridge br0");
    for (const char *port : {"va", "vb", "vc"})
        run(std::string("port add ") + port + " --vni 42");
    run("fdb add 02:00:00:00:00:99 dev vxlan0 dst 192.168.8.2 static");
    const char *const mac = "02:00:00:00:00:0a", *const other = "02:00:00:00:00:0c";
    const auto frame = [](const char *to, const char *from) {
        return Ether{.dst = to, .src = from, .type = 0x88b5} / payload(46);
    };
    for (int n = 0; n < 20; n++) {
        send(owner, "eth0", frame(other, mac));
        send(third, "eth0", frame(mac, other));
        ::usleep(20'000); // a port looks at its source once a tick
        send(thief, "eth0", frame(other, mac));
        ::usleep(20'000);
        send(owner, "eth0", frame("02:00:00:00:00:99", mac)); // into the tunnel
        const auto theirs = received(thief), ours = received(owner);
        send(third, "eth0", frame(mac, other));
        ::usleep(20'000);
        ASSERT_EQ(received(thief), theirs) << n;
        ASSERT_EQ(received(owner), ours + 1) << n;
    }
}

} // namespace
} // namespace xvtep::test
