// SPDX-License-Identifier: GPL-2.0-only
// Packets that are larger than the wire's: what one end hands over whole reaches whoever listens at
// the other as it does with the kernel's device.

#include <memory>
#include <set>

#include "tests/support/overlay_case.h"

namespace xvtep::test {
namespace {

class Gso : public OverlayCase {
  protected:
    struct Burst {
        std::size_t segment;
        int count;
    };
    // The largest payload of a datagram, and of all of a burst.
    static std::vector<Burst> bursts(bool inner_v6)
    {
        const std::size_t largest = mtu_that_fits() - (inner_v6 ? 48 : 28);
        std::vector<Burst> all = {
            {1200, 40}, {1200, 1}, {1, 60}, {largest, static_cast<int>(65'487 / largest)}};
        if (largest > 1393) // 65,471 bytes: with a tunnel's headers more than an IP packet holds
            all.push_back({1393, 47});
        return all;
    }

    // UDP GSO from container 1 to `address`, where `to` has it.
    void expect_bursts(const std::string &to, const std::string &address)
    {
        const bool inner_v6 = address.find(':') != std::string::npos;
        const std::vector<Burst> all = bursts(inner_v6);
        for (const bool gro : {false, true}) {
            SCOPED_TRACE(fmt::format("to {}, UDP_GRO {}", address, gro));
            UdpEar ear(to, address, 9000, gro);
            Datagrams wanted;
            int count = 0;
            for (const auto &burst : all) {
                send_datagrams(c_[1], address, 9000, burst.segment, burst.count);
                wanted.sizes[burst.segment] += burst.count;
                count += burst.count;
            }
            EXPECT_EQ(ear.hear(count), wanted);
        }
    }
};

TEST_P(Gso, UdpReachesSockets)
{
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true}));
    Watch third = towards(3), tenant(o_[2], "eth0");
    entries();
    for (const std::string &address : {v4(2), v6(2)})
        expect_bursts(c_[2], address);
    EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
    EXPECT_EQ(overheard(tenant, false), 0);
}

class GsoElsewhere : public Gso {};

TEST_P(GsoElsewhere, UdpToAnUnknownMacIsFlooded)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false})); // nobody has said a word
    Watch bystander(c_[3], "eth0");
    expect_bursts(c_[2], v4(2));
    EXPECT_TRUE(bystander.wait([&] { return overheard(bystander, true) > 0; }));
}

TEST_P(GsoElsewhere, UdpReachesTheHostsOwnStack)
{
    ASSERT_NO_FATAL_FAILURE(build());
    ip(h_[2], "link set br0 address 02:00:00:00:00:04");
    ip(h_[2], fmt::format("addr add {}/24 dev br0", v4(4)));
    entry(1, mac(4), 2);
    expect_bursts(h_[2], v4(4));
    const auto stream = tcp_stream(c_[1], h_[2], v4(4), 4 << 20);
    EXPECT_EQ(stream.bytes, 4U << 20);
    EXPECT_FALSE(stream.wrong);
}

TEST_P(GsoElsewhere, UdpBetweenContainersOfAHost)
{
    ASSERT_NO_FATAL_FAILURE(build());
    const std::string near = container(1, 5, "near");
    ASSERT_EQ(pings_lost(near, v4(1)), 0);
    for (const std::string &address : {v4(5), v6(5)})
        expect_bursts(near, address);
}

// A container that forwards to another one behind it.
TEST_P(GsoElsewhere, ForwardedByAContainer)
{
    ASSERT_NO_FATAL_FAILURE(build());
    entries();
    const std::string behind = host("behind");
    wire(c_[2], "inner", behind, "eth0", plan_.overlay_mtu);
    in(c_[2], "sysctl -qw net.ipv4.ip_forward=1");
    ip(c_[2], "addr add 10.30.0.1/24 dev inner");
    ip(behind, "addr add 10.30.0.2/24 dev eth0");
    ip(behind, "route add default via 10.30.0.1");
    ip(c_[1], "route add 10.30.0.0/24 via " + v4(2));
    ip(c_[2], fmt::format("link set eth0 mtu {}", plan_.overlay_mtu));
    expect_bursts(behind, "10.30.0.2");
    const auto stream = tcp_stream(c_[1], behind, "10.30.0.2", 4 << 20);
    EXPECT_EQ(stream.bytes, 4U << 20);
    EXPECT_FALSE(stream.wrong);
}

// A wire of MTU-sized packets, which the port merges again: into a list of packets, too.
TEST_P(Gso, MergedByTheUnderlayPort)
{
    ASSERT_NO_FATAL_FAILURE(build());
    entries();
    for (const int n : {1, 2})
        in(h_[n], "ethtool -K u tso off gso off tx off tx-udp_tnl-segmentation off "
                  "tx-udp_tnl-csum-segmentation off");
    for (const char *features : {"gro on", "gro on rx-udp-gro-forwarding on",
                                 "gro on rx-udp-gro-forwarding off rx-gro-list on"}) {
        SCOPED_TRACE(features);
        in(h_[2], fmt::format("ethtool -K u {}", features));
        in(sw_, "ethtool -K s1 gro off");
        expect_bursts(c_[2], v4(2));
        expect_bursts(c_[2], v6(2));
        const auto stream = tcp_stream(c_[1], c_[2], v4(2), 4 << 20);
        EXPECT_EQ(stream.bytes, 4U << 20);
        EXPECT_FALSE(stream.wrong);
    }
}

// What a virtual machine's device is handed: packets as whole as with the kernel's device.
class GsoToTap : public Gso {
  protected:
    void SetUp() override
    {
        Gso::SetUp();
        if (IsSkipped())
            return;
        ASSERT_NO_FATAL_FAILURE(build());
        tap_ = std::make_unique<Tap>(h_[2], "tap0");
        ip(h_[2], fmt::format("link set tap0 mtu {} master br0 up", plan_.overlay_mtu));
        in(h_[2], "sysctl -qw net.ipv6.conf.tap0.disable_ipv6=1");
        entry(1, mac(6), 2);
        // The bridge knows the machine.
        const std::string own = mac(6), everyone = "ff:ff:ff:ff:ff:ff";
        tap_->send(Ether{.dst = everyone.c_str(), .src = own.c_str(), .type = 0x88b5} /
                   payload(46));
        ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    }

    // A TCP segment of 28,000 bytes behind `tags` VLAN tags, to be cut into pieces of 1,340.
    static Bytes tcp(bool inner_v6, unsigned tags)
    {
        const std::string from = inner_v6 ? v6(1) : v4(1), to = inner_v6 ? v6(6) : v4(6);
        Bytes segment;
        put16(segment, 40000);
        put16(segment, 80);
        put32(segment, 1);
        put32(segment, 1);
        put32(segment, 0x50101000); // no options, ACK
        put32(segment, 0);
        put(segment, payload(28'000));
        // The pseudo-header's sum; whoever cuts it does the rest.
        Bytes pseudo = octets(from);
        put(pseudo, octets(to));
        put32(pseudo, static_cast<std::uint32_t>(segment.size()));
        put32(pseudo, IPPROTO_TCP);
        const auto sum = sum16(pseudo);
        segment[16] = static_cast<std::uint8_t>(sum >> 8);
        segment[17] = static_cast<std::uint8_t>(sum & 0xff);
        const Bytes packet =
            inner_v6 ? Ipv6{.src = from.c_str(), .dst = to.c_str(), .next = IPPROTO_TCP} / segment
                     : Ipv4{.src = from.c_str(), .dst = to.c_str(), .proto = IPPROTO_TCP} / segment;
        Bytes frame = octets_of_macs(mac(6), mac(1));
        for (unsigned tag = tags; tag > 0; tag--)
            put32(frame, (tag > 1 ? 0x88a80000U : 0x81000000U) | tag << 4);
        put16(frame, inner_v6 ? 0x86dd : 0x0800);
        put(frame, packet);
        return frame;
    }

    void expect_whole(bool inner_v6, unsigned tags)
    {
        SCOPED_TRACE(fmt::format("{}, {} tags", inner_v6 ? "IPv6" : "IPv4", tags));
        const auto transport = static_cast<std::uint16_t>((inner_v6 ? 54 : 34) + 4 * tags);
        const Segmentation cut{.type = inner_v6 ? VnetHeader::tcp_v6 : VnetHeader::tcp_v4,
                               .size = 1340,
                               .headers = static_cast<std::uint16_t>(transport + 20),
                               .checksum_start = transport,
                               .checksum_offset = 16};
        const Bytes frame = tcp(inner_v6, tags);
        send_raw(c_[1], "eth0", frame, &cut);
        if (xdp() || tags > 1) { // somebody on the way cuts it, with the kernel's device too
            std::size_t payload = 0;
            for (const auto &got : tap_->hear(*Mac::parse(mac(6)), 21))
                payload += got.bytes.size() - transport - 20;
            EXPECT_EQ(payload, 28'000U);
            return;
        }
        const auto heard = tap_->hear(*Mac::parse(mac(6)), 1);
        ASSERT_EQ(heard.size(), 1U);
        EXPECT_EQ(heard[0].bytes.size(), frame.size());
        EXPECT_EQ(heard[0].header.type, cut.type);
        EXPECT_EQ(heard[0].header.segment_size, cut.size);
        EXPECT_EQ(heard[0].header.flags & VnetHeader::needs_checksum, VnetHeader::needs_checksum);
        EXPECT_EQ(heard[0].header.checksum_start, transport);
    }

    std::unique_ptr<Tap> tap_;
};

TEST_P(GsoToTap, TcpComesWhole)
{
    for (const bool inner_v6 : {false, true})
        for (const unsigned tags : {0U, 1U, 2U, 3U})
            expect_whole(inner_v6, tags);
}

TEST_P(GsoToTap, UdpComesWhole)
{
    for (const std::string &address : {v4(6), v6(6)}) {
        SCOPED_TRACE(address);
        const std::size_t headers = address == v6(6) ? 62 : 42;
        send_datagrams(c_[1], address, 9000, 1200, 40);
        const bool whole = tap_->takes_udp_gso() && !xdp();
        const auto heard = tap_->hear(*Mac::parse(mac(6)), whole ? 1 : 40);
        ASSERT_EQ(heard.size(), whole ? 1U : 40U);
        for (const auto &frame : heard) {
            EXPECT_EQ(frame.bytes.size(), headers + (whole ? 48'000 : 1200));
            EXPECT_EQ(frame.header.type, whole ? VnetHeader::udp : 0);
            EXPECT_EQ(frame.header.segment_size, whole ? 1200 : 0);
        }
    }
}

class Tcp : public Gso {};

TEST_P(Tcp, Streams)
{
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true}));
    entries();
    Watch third = towards(3), tenant(o_[2], "eth0");
    for (const std::string &address : {v4(2), v6(2)}) {
        const auto stream = tcp_stream(c_[1], c_[2], address, 8 << 20);
        EXPECT_EQ(stream.bytes, 8U << 20) << address;
        EXPECT_FALSE(stream.wrong);
    }
    EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
    EXPECT_EQ(overheard(tenant, false), 0);
}

// BIG TCP: packets beyond 64 KB, with a hop-by-hop header that says so.
TEST_P(Tcp, Big)
{
    ASSERT_NO_FATAL_FAILURE(build());
    entries();
    for (const int n : {1, 2}) {
        const Output big =
            sh(fmt::format("ip -n {0} link set eth0 gso_max_size 150000 gro_max_size 150000 && "
                           "ip -n {1} link set v{2} gso_max_size 150000 gro_max_size 150000 && "
                           "ip -n {1} link set u gso_max_size 150000 gro_max_size 150000 && "
                           "ip -n {1} link set br0 gso_max_size 150000 gro_max_size 150000",
                           c_[n], h_[n], n));
        if (big.status != 0)
            GTEST_SKIP() << "no BIG TCP here: " << big.text;
    }
    for (const int n : {1, 2}) // a stream that loses packets takes another hash otherwise
        in(c_[n], "sysctl -qw net.core.txrehash=0");
    Watch wire = towards(2);
    const auto stream = tcp_stream(c_[1], c_[2], v6(2), 64 << 20);
    EXPECT_EQ(stream.bytes, 64U << 20) << stream.gbit() << " Gbit/s";
    EXPECT_FALSE(stream.wrong);
    EXPECT_GT(stream.gbit(), 0.2) << "that is packet after packet lost";
    std::set<unsigned> ports;
    const Bytes ours = octets_of_macs(mac(2), mac(1)); // not what speaks to all on the network
    for (const Frame &frame : wire.seen())
        if (const auto packet = parse_encapsulated(frame.bytes);
            packet && frame.outgoing && packet->inner.size() > ours.size() &&
            std::equal(ours.begin(), ours.end(), packet->inner.begin()))
            ports.insert(packet->outer.udp->source);
    EXPECT_EQ(ports.size(), 1U) << "one flow, one source port";
}

// A tunnel of the containers' own inside.
TEST_P(Tcp, InANestedTunnel)
{
    ASSERT_NO_FATAL_FAILURE(build());
    entries();
    Watch third = towards(3);
    for (const int n : {1, 2})
        batch(c_[n], fmt::format("link add nested type vxlan id 7 dstport 4789 local {} remote {} "
                                 "dev eth0\n"
                                 "link set nested up\naddr add 10.70.0.{}/24 dev nested",
                                 v4(n), v4(3 - n), n));
    ASSERT_EQ(pings_lost(c_[1], "10.70.0.2"), 0);
    const auto stream = tcp_stream(c_[1], c_[2], "10.70.0.2", 8 << 20);
    EXPECT_EQ(stream.bytes, 8U << 20) << stream.gbit() << " Gbit/s";
    EXPECT_FALSE(stream.wrong);
    UdpEar ear(c_[2], "10.70.0.2", 9000);
    send_datagrams(c_[1], "10.70.0.2", 9000, 1200, 40);
    EXPECT_EQ(ear.hear(40), (Datagrams{.sizes = {{1200, 40}}}));
    EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
}

// IPv6 extension headers in front of UDP: they are passed over to find the flow.
class Extended : public OverlayCase {
  protected:
    static Bytes extended(unsigned kind, unsigned port, const Bytes &mark)
    {
        Bytes udp =
            Udp{.src = port, .dst = 9000, .from = "fd20::1", .to = "fd20::2"} / marked(mark, 64);
        unsigned next = IPPROTO_UDP;
        const auto in_front = [&](unsigned header, const Bytes &rest) {
            Bytes out;
            put8(out, next);
            put(out, rest);
            put(out, udp);
            udp = out;
            next = header;
        };
        const Bytes padding = {0, 1, 4, 0, 0, 0, 0}; // length 0, PadN of four
        if (kind == 3)
            for (const unsigned header : {60U, 43U, 0U})
                in_front(header, header == 43 ? Bytes{0, 4, 0, 0, 0, 0, 0} : padding);
        else
            in_front(kind == 0   ? 0
                     : kind == 1 ? 60
                                 : 43,
                     kind == 2 ? Bytes{0, 4, 0, 0, 0, 0, 0} : padding);
        const std::string source = mac(1), destination = mac(2);
        return Ether{.dst = destination.c_str(), .src = source.c_str(), .type = 0x86dd} /
               (Ipv6{.src = "fd20::1", .dst = "fd20::2", .next = next} / udp);
    }
};

TEST_P(Extended, FlowsHaveAPortEach)
{
    ASSERT_NO_FATAL_FAILURE(build());
    entries();
    Watch wire = towards(2), far(c_[2], "eth0"), third = towards(3);
    const RawPort port(c_[1], "eth0");
    const char *const kinds[] = {"hop-by-hop", "destination options", "routing", "all three"};
    for (unsigned kind = 0; kind < 4; kind++) {
        SCOPED_TRACE(kinds[kind]);
        std::set<unsigned> all;
        for (unsigned flow = 0; flow < 6; flow++) {
            const Bytes mark = new_mark();
            for (int i = 0; i < 3; i++)
                port.send(extended(kind, 20'000 + flow, mark));
            EXPECT_TRUE(far.wait([&] { return far.copies(mark) >= 3; })) << "flow " << flow;
            EXPECT_EQ(far.copies(mark), 3);
            std::set<unsigned> ports;
            for (const Frame &frame : wire.seen())
                if (const auto packet = parse_encapsulated(frame.bytes);
                    packet && frame.outgoing && Watch::contains(frame, mark))
                    ports.insert(packet->outer.udp->source);
            EXPECT_EQ(ports.size(), 1U) << "of flow " << flow;
            all.insert(ports.begin(), ports.end());
        }
        EXPECT_GT(all.size(), 2U) << "of six flows";
    }
    EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
}

const auto families = overlays({Underlay::v4, Underlay::v6});
const auto name = [](const auto &test) { return name_of(test.param); };
INSTANTIATE_TEST_SUITE_P(Overlays, Gso, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, GsoElsewhere, ::testing::ValuesIn(fewer_overlays()), name);
INSTANTIATE_TEST_SUITE_P(Overlays, GsoToTap, ::testing::ValuesIn(fewer_overlays()), name);
INSTANTIATE_TEST_SUITE_P(Overlays, Tcp, ::testing::ValuesIn(fewer_overlays()), name);
INSTANTIATE_TEST_SUITE_P(Overlays, Extended, ::testing::ValuesIn(fewer_overlays()), name);

} // namespace
} // namespace xvtep::test
