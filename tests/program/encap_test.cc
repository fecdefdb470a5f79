// SPDX-License-Identifier: GPL-2.0-only
#include <functional>
#include <set>

#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

class Encap : public KnownCase {
  protected:
    void towards_v6()
    {
        on_v6();
        entry(container, "fd08::101");
        nexthop("fd08::101");
    }

    Outcome send(const Bytes &frame)
    {
        return tc(skeleton->progs.xvtep_tc_device_egress, device, frame);
    }

    static unsigned source_port(const Bytes &packet, std::size_t l3)
    {
        return static_cast<unsigned>(packet.at(14 + l3) << 8 | packet.at(15 + l3));
    }

    // The whole packet that `frame` must become; its random fields are taken from `got`.
    Bytes expected_v4(const Bytes &got, const Bytes &frame, unsigned tos = 0, unsigned ttl = 64,
                      unsigned df = 0)
    {
        const std::string to = next_hop.text(), from = under.mac.text();
        const unsigned id = static_cast<unsigned>(got.at(18) << 8 | got.at(19));
        return Ether{.dst = to.c_str(), .src = from.c_str()} /
               (Ipv4{.src = "192.168.8.100",
                     .dst = "192.168.8.101",
                     .tos = tos,
                     .ttl = ttl,
                     .id = id,
                     .fragment = df} /
                (Udp{.src = source_port(got, 20)} / (Vxlan{} / frame)));
    }
};

Bytes udp4(unsigned dport = 9, unsigned tos = 0, unsigned df = 0)
{
    return Ether{} /
           (Ipv4{.tos = tos, .ttl = 9, .fragment = df} / (Udp{.dst = dport} / payload(31)));
}

TEST_F(Encap, WholePacket)
{
    for (const Bytes &frame :
         {udp4(), Ether{.type = 0x86dd} / (Ipv6{} / (Udp{.dst = 9} / payload(20))),
          Ether{.type = 0x0806} / arp_request(), Ether{.type = 0x88b5} / payload(46),
          Ether{.vlan = 7} / (Ipv4{} / (Udp{.dst = 9} / payload(20)))}) {
        const Outcome run = send(frame);
        EXPECT_EQ(run.action, tc_redirect);
        ASSERT_GT(run.packet.size(), 64U);
        const Bytes want = expected_v4(run.packet, frame);
        EXPECT_EQ(run.packet, want) << difference(run.packet, want);
        EXPECT_GE(source_port(run.packet, 20), 49152U);
        EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"tx", 1}}));
    }
}

TEST_F(Encap, EveryPacketHasItsOwnIdentification)
{
    std::set<int> ids;
    const auto note = [&](const Outcome &sent) {
        ids.insert(sent.packet.at(18) << 8 | sent.packet.at(19));
    };
    for (int n = 0; n < 3; n++) {
        note(tc(skeleton->progs.xvtep_tc_port_ingress, port, udp4()));
        note(xdp(skeleton->progs.xvtep_xdp_port, port, udp4()));
    }
    EXPECT_EQ(ids.size(), 6U);
}

TEST_F(Encap, WithoutAHopTheKernelsDeviceSends)
{
    entry(container, "192.168.8.102");
    const Outcome run = send(udp4());
    EXPECT_EQ(run.action, tc_pass);
    EXPECT_EQ(run.packet, udp4());
    EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"tx", 1}}));
}

// The host may route by any of these fields, so a next hop is valid for one value only.
TEST_F(Encap, AHopIsForItsSourcePortMarkAndTosOnly)
{
    const auto taken = [&](const std::function<void(xv_nexthop_key &)> &change) {
        skeleton.reset(xvtep_bpf__open_and_load());
        write_vtep();
        entry(container, "192.168.8.101");
        xv_nexthop value{};
        value.expires = now() + 60'000'000'000ULL;
        value.path = path();
        xv_nexthop_key at = nexthop_key("192.168.8.101");
        change(at);
        write(skeleton->maps.nexthops, at, value);
        return send(udp4()).action == tc_redirect;
    };
    EXPECT_TRUE(taken([](xv_nexthop_key &) {}));
    EXPECT_FALSE(taken([](xv_nexthop_key &k) { k.src_hash++; }));
    EXPECT_FALSE(taken([](xv_nexthop_key &k) { k.dstport = htons(4790); }));
    EXPECT_FALSE(taken([](xv_nexthop_key &k) { k.mark = 1; }));
    EXPECT_FALSE(taken([](xv_nexthop_key &k) { k.tos = 4; }));
    EXPECT_FALSE(taken([](xv_nexthop_key &k) { k.oif = 0; }));
}

// A route's MTU is not in our tables: only sizes that the kernel has sent in one piece are sent.
TEST_F(Encap, OnlyAProvenSizeIsSent)
{
    nexthop("192.168.8.101");
    const __u32 index = remote("192.168.8.101") & 0xffffU;
    const auto prove = [&](unsigned size) {
        xv_remote value{};
        ASSERT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.remotes), &index, &value), 0);
        value.path.proven_size = static_cast<__u16>(size);
        write(skeleton->maps.remotes, index, value);
    };
    const auto frame = [](std::size_t size) {
        return Ether{} / (Ipv4{} / (Udp{} / payload(size - 42)));
    };
    for (const unsigned proven_size : {600U, 1400U}) {
        prove(proven_size);
        EXPECT_EQ(send(frame(proven_size - 36)).action, tc_redirect) << proven_size;
        EXPECT_EQ(send(frame(proven_size - 35)).action, tc_pass) << proven_size;
    }
    prove(0);
    EXPECT_EQ(send(frame(540)).action, tc_redirect) << "any path takes 576";
}

TEST_F(Encap, InheritsAndMarks)
{
    struct Case {
        unsigned flags, tos, inner_tos, inner_df, want_tos, want_ttl, want_df;
    };
    for (const Case &c :
         {Case{0, 0x20, 0, 0, 0x20, 64, 0}, Case{0, 0, 1, 0, 1, 64, 0}, Case{0, 0, 2, 0, 2, 64, 0},
          Case{0, 0, 3, 0, 2, 64, 0}, Case{XV_VTEP_TOS_INHERIT, 0, 0xb8, 0, 0xb8, 64, 0},
          Case{XV_VTEP_TTL_INHERIT, 0, 0, 0, 0, 9, 0}, Case{XV_VTEP_DF_SET, 0, 0, 0, 0, 64, 0x4000},
          Case{XV_VTEP_DF_INHERIT, 0, 0, 0x4000, 0, 64, 0x4000},
          Case{XV_VTEP_DF_INHERIT, 0, 0, 0, 0, 64, 0}}) {
        vtep.flags = XV_VTEP_LEARNING | c.flags;
        vtep.tos = static_cast<__u8>(c.tos);
        write_vtep();
        const unsigned mine = vtep.tos;
        vtep.tos = static_cast<__u8>(c.want_tos); // packets with this TOS have a next hop
        nexthop("192.168.8.101");
        vtep.tos = static_cast<__u8>(mine);
        const Bytes frame = udp4(9, c.inner_tos, c.inner_df);
        const Outcome run = send(frame);
        ASSERT_GT(run.packet.size(), 64U);
        const Bytes want = expected_v4(run.packet, frame, c.want_tos, c.want_ttl, c.want_df);
        EXPECT_EQ(run.packet, want) << difference(run.packet, want);
    }
}

TEST_F(Encap, UdpChecksumIsRightOnIpv6)
{
    vtep.flags |= XV_VTEP_UDPCSUM;
    towards_v6();
    const Bytes tcp = [] {
        Bytes segment;
        put16(segment, 1000);
        put16(segment, 2000);
        put32(segment, 1);
        put32(segment, 2);
        put16(segment, 0x5018);
        put16(segment, 512);
        put32(segment, 0);
        test::put(segment, payload(33));
        const auto check =
            transport_checksum(*Ip::parse("10.20.1.2"), *Ip::parse("10.20.1.3"), 6, segment);
        segment[16] = static_cast<std::uint8_t>(check >> 8);
        segment[17] = static_cast<std::uint8_t>(check & 0xff);
        return segment;
    }();
    for (const Bytes &frame :
         {Ether{} / (Ipv4{.proto = 6} / tcp), udp4(),
          Ether{} /
              (Ipv4{} / (Udp{.dst = 9, .from = "10.20.1.2", .to = "10.20.1.3"} / payload(333))),
          Ether{.type = 0x86dd} /
              (Ipv6{} / (Udp{.dst = 9, .from = "fd20::2", .to = "fd20::3"} / payload(64))),
          Ether{.type = 0x0806} / arp_request(), Ether{.type = 0x88b5} / payload(201),
          Ether{} / (Ipv4{.proto = 1} / payload(65))}) {
        const Outcome run = send(frame);
        EXPECT_EQ(run.action, tc_redirect);
        ASSERT_EQ(run.packet.size(), frame.size() + XV_OUTER_V6);
        const Bytes datagram(run.packet.begin() + 54, run.packet.end());
        EXPECT_NE(datagram[6] | datagram[7], 0) << "IPv6 wants a checksum";
        EXPECT_EQ(
            transport_checksum(*Ip::parse("fd08::100"), *Ip::parse("fd08::101"), 17, datagram), 0);
        EXPECT_EQ(Bytes(run.packet.begin() + XV_OUTER_V6, run.packet.end()), frame);
    }
}

TEST_F(Encap, SourcePortsSpreadFlowsAndKeepThem)
{
    const auto frames = std::map<std::string, std::function<Bytes(unsigned)>>{
        {"IPv4", [](unsigned n) { return udp4(1000 + n); }},
        {"IPv6",
         [](unsigned n) {
             return Ether{.type = 0x86dd} / (Ipv6{} / (Udp{.dst = 1000 + n} / payload(20)));
         }},
        {"tagged",
         [](unsigned n) {
             return Ether{.vlan = 7} / (Ipv4{} / (Udp{.dst = 1000 + n} / payload(20)));
         }},
        {"other",
         [](unsigned n) {
             const std::string source =
                 "02:00:00:00:01:" +
                 Mac{{0, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}}.text().substr(15);
             return Ether{.src = source.c_str(), .type = 0x88b5} / payload(46);
         }},
    };
    for (const auto &[name, frame] : frames) {
        std::set<unsigned> ports;
        for (unsigned n = 0; n < 64; n++) {
            const unsigned first = source_port(send(frame(n)).packet, 20);
            EXPECT_EQ(source_port(send(frame(n)).packet, 20), first)
                << name << ": one flow, one port";
            EXPECT_GE(first, 49152U);
            ports.insert(first);
        }
        EXPECT_GT(ports.size(), 40U) << name;
    }
}

TEST_F(Encap, XdpPortWritesTheSamePacket)
{
    const Bytes frame = udp4();
    EXPECT_EQ(xdp(skeleton->progs.xvtep_xdp_port, port, frame).action, XDP_PASS) << "to learn";
    local_entry(*Mac::parse(Ether{}.src));
    const Outcome run = xdp(skeleton->progs.xvtep_xdp_port, port, frame);
    EXPECT_EQ(run.action, XDP_REDIRECT);
    ASSERT_GT(run.packet.size(), 64U);
    const Bytes want = expected_v4(run.packet, frame);
    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
    EXPECT_EQ(source_port(run.packet, 20), source_port(send(frame).packet, 20));
}

TEST_F(Encap, WatchRemembersTheNextHop)
{
    entry(container, "192.168.8.102");
    const std::string to = next_hop.text(), from = under.mac.text();
    const Bytes packet = Ether{.dst = to.c_str(), .src = from.c_str()} /
                         (Ipv4{.dst = "192.168.8.102"} / (Udp{} / payload(30)));
    // Untagged traffic of the host is not learned.
    EXPECT_EQ(tc(skeleton->progs.xvtep_tc_underlay_egress, under, packet).action, tc_pass);
    const xv_nexthop_key key = nexthop_key("192.168.8.102");
    xv_nexthop value{};
    EXPECT_NE(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.nexthops), &key, &value), 0);
}

} // namespace
} // namespace xvtep::test
