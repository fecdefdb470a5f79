// SPDX-License-Identifier: GPL-2.0-only
// Answers of the data path: ARP, neighbour advertisements and ICMP errors; and group policy.
#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

const Mac asker = *Mac::parse("02:00:00:00:00:01");
const Mac target = *Mac::parse("02:00:00:00:00:33");

class Answers : public ProgramCase {
  protected:
    Outcome encap(const Bytes &frame, unsigned mark = 0)
    {
        return tc(skeleton->progs.xvtep_tc_device_egress, device, frame, 0, mark);
    }

    static Bytes solicitation(const Bytes &options, unsigned hops = 255,
                              const char *src = "fd20::2")
    {
        Bytes nd;
        put32(nd, 135U << 24);
        put32(nd, 0);
        put(nd, *Ip::parse("fd20::3"));
        put(nd, options);
        return Ether{.dst = "33:33:ff:00:00:03", .type = 0x86dd} /
               (Ipv6{.src = src, .dst = "ff02::1:ff00:3", .next = 58, .hops = hops} / nd);
    }

    static Bytes option(unsigned type, unsigned units, const char *mac)
    {
        Bytes out;
        put8(out, type);
        put8(out, units);
        put(out, *Mac::parse(mac));
        return out;
    }

    static Bytes advertisement(unsigned flags, const char *to_mac, const char *to_ip = "fd20::2")
    {
        Bytes nd;
        put32(nd, 136U << 24);
        put32(nd, flags);
        put(nd, *Ip::parse("fd20::3"));
        put(nd, option(2, 1, target.text().c_str()));
        const auto check = transport_checksum(*Ip::parse("fd20::3"), *Ip::parse(to_ip), 58, nd);
        nd[2] = static_cast<std::uint8_t>(check >> 8);
        nd[3] = static_cast<std::uint8_t>(check & 0xff);
        const std::string from = target.text();
        return Ether{.dst = to_mac, .src = from.c_str(), .type = 0x86dd} /
               (Ipv6{.src = "fd20::3", .dst = to_ip, .next = 58, .hops = 255} / nd);
    }
};

TEST_F(Answers, ArpFromTheTable)
{
    with(XV_VTEP_PROXY);
    neighbour("10.20.1.3", target);
    const Outcome run = encap(Ether{.dst = "ff:ff:ff:ff:ff:ff", .type = 0x0806} / arp_request());
    Bytes reply;
    put32(reply, 0x00010800);
    put32(reply, 0x06040002);
    put(reply, target);
    put(reply, *Ip::parse("10.20.1.3"));
    put(reply, asker);
    put(reply, *Ip::parse("10.20.1.2"));
    const std::string from = target.text(), to = asker.text();
    const Bytes want = Ether{.dst = to.c_str(), .src = from.c_str(), .type = 0x0806} / reply;
    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
    EXPECT_EQ(run.action, tc_redirect);
}

TEST_F(Answers, ReachableNeighboursExpire)
{
    with(XV_VTEP_PROXY);
    vtep.reachable = 30;
    write_vtep();
    const Bytes request = Ether{.dst = "ff:ff:ff:ff:ff:ff", .type = 0x0806} / arp_request();
    neighbour("10.20.1.3", target, 0, 29'000'000'000ULL);
    EXPECT_EQ(encap(request).counted.count("proxied"), 1U);
    neighbour("10.20.1.3", target, 0, 31'000'000'000ULL);
    EXPECT_EQ(encap(request).counted.count("proxy_silent"), 1U);
}

TEST_F(Answers, SolicitationsFromTheTable)
{
    with(XV_VTEP_PROXY);
    neighbour("fd20::3", target);
    const Bytes source = option(1, 1, "02:00:00:00:00:07");
    // The answer goes to the option's address, also if another option comes first.
    for (const Bytes &options : {source, [&] {
                                     Bytes two = option(14, 1, "00:00:00:00:00:00");
                                     put(two, source);
                                     return two;
                                 }()}) {
        const Outcome run = encap(solicitation(options));
        const Bytes want = advertisement(0x60000000, "02:00:00:00:00:07");
        EXPECT_EQ(run.packet, want) << difference(run.packet, want);
        EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"proxied", 1}}));
    }
    const Outcome bare = encap(solicitation({}));
    const Bytes want = advertisement(0x60000000, "02:00:00:00:00:01");
    EXPECT_EQ(bare.packet, want) << difference(bare.packet, want);
    entry(target, "192.168.8.101", XV_FDB_PERMANENT | XV_FDB_ROUTER);
    const Bytes router = advertisement(0xe0000000, "02:00:00:00:00:01");
    EXPECT_EQ(encap(solicitation({})).packet, router);
}

TEST_F(Answers, DuplicateAddressDetectionIsAnsweredToAll)
{
    with(XV_VTEP_PROXY);
    neighbour("fd20::3", target);
    const Outcome run = encap(solicitation({}, 255, "::"));
    const Bytes want = advertisement(0x20000000, "33:33:00:00:00:01", "ff02::1");
    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
    neighbour("fd20::3", asker); // it asks about its own address
    EXPECT_EQ(encap(solicitation({}, 255, "::")).counted.count("proxy_silent"), 1U);
}

TEST_F(Answers, SolicitationsThatAreNone)
{
    with(XV_VTEP_PROXY);
    neighbour("fd20::3", target);
    for (const Bytes &packet :
         {solicitation({}, 64), solicitation(option(1, 0, "02:00:00:00:00:07")),
          solicitation({1, 1, 0, 0})}) // routed; an option of size 0; an option cut short
        EXPECT_EQ(encap(packet).counted,
                  (std::map<std::string, std::uint64_t>{{"proxy_silent", 1}}));
}

TEST_F(Answers, TooBigIsToldOnIpv4)
{
    entry(target, "192.168.8.101");
    const std::string mac = target.text();
    const Bytes l3 = Ipv4{.ttl = 9, .fragment = 0x4000} / (Udp{.dst = 9} / payload(1472));
    const Outcome run = encap(Ether{.dst = mac.c_str()} / l3);
    Bytes icmp;
    put32(icmp, 3U << 24 | 4U << 16);
    put32(icmp, 1450);
    put(icmp, Bytes(l3.begin(), l3.begin() + 548));
    const auto check = internet_checksum(icmp);
    icmp[2] = static_cast<std::uint8_t>(check >> 8);
    icmp[3] = static_cast<std::uint8_t>(check & 0xff);
    const unsigned id = static_cast<unsigned>(run.packet.at(18) << 8 | run.packet.at(19));
    const std::string to = asker.text();
    const Bytes want = Ether{.dst = to.c_str(), .src = mac.c_str()} / (Ipv4{.src = "10.20.1.3",
                                                                            .dst = "10.20.1.2",
                                                                            .proto = 1,
                                                                            .ttl = 9,
                                                                            .id = id,
                                                                            .fragment = 0x4000} /
                                                                       icmp);
    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
    EXPECT_EQ(run.action, tc_redirect);
}

TEST_F(Answers, TooBigIsToldOnIpv6)
{
    entry(target, "192.168.8.101");
    const std::string mac = target.text();
    const Bytes l3 = Ipv6{.hops = 9} / (Udp{.dst = 9} / payload(1452));
    const Outcome run = encap(Ether{.dst = mac.c_str(), .type = 0x86dd} / l3);
    Bytes icmp;
    put32(icmp, 2U << 24);
    put32(icmp, 1450);
    put(icmp, Bytes(l3.begin(), l3.begin() + 1232));
    const auto check = transport_checksum(*Ip::parse("fd20::3"), *Ip::parse("fd20::2"), 58, icmp);
    icmp[2] = static_cast<std::uint8_t>(check >> 8);
    icmp[3] = static_cast<std::uint8_t>(check & 0xff);
    const std::string to = asker.text();
    const Bytes want = Ether{.dst = to.c_str(), .src = mac.c_str(), .type = 0x86dd} /
                       (Ipv6{.src = "fd20::3", .dst = "fd20::2", .next = 58, .hops = 9} / icmp);
    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
}

TEST_F(Answers, NothingIsToldAboutErrorsAndMulticast)
{
    entry(target, "192.168.8.101");
    const std::string mac = target.text();
    Bytes error;
    put32(error, 3U << 24);
    put(error, payload(1476));
    for (const Bytes &l3 :
         {Ipv4{.proto = 1, .fragment = 0x4000} / error,
          Ipv4{.src = "224.0.0.1", .fragment = 0x4000} / (Udp{.dst = 9} / payload(1472)),
          Ipv4{.src = "0.0.0.0", .fragment = 0x4000} / (Udp{.dst = 9} / payload(1472)),
          Ipv4{.dst = "239.1.1.1", .fragment = 0x4000} / (Udp{.dst = 9} / payload(1472))})
        EXPECT_EQ(encap(Ether{.dst = mac.c_str()} / l3).counted,
                  (std::map<std::string, std::uint64_t>{{"over_mtu", 1}}));
}

TEST_F(Answers, RscSkipsTheRouter)
{
    with(XV_VTEP_RSC);
    const Mac router = *Mac::parse("02:00:00:00:00:fe");
    entry(router, "192.168.8.109", XV_FDB_PERMANENT | XV_FDB_ROUTER);
    entry(target, "192.168.8.101");
    nexthop("192.168.8.101");
    neighbour("10.20.1.3", target);
    const std::string via = router.text(), mac = target.text();
    const Bytes l3 = Ipv4{.ttl = 9} / (Udp{.dst = 9} / payload(20));
    const Outcome run = encap(Ether{.dst = via.c_str()} / l3);
    const Bytes inner(run.packet.begin() + 50, run.packet.end());
    EXPECT_EQ(inner, (Ether{.dst = mac.c_str(), .src = via.c_str()} / l3)) << "its TTL is kept";
    EXPECT_EQ(*Ip::parse("192.168.8.101"), Ip::from_bytes(run.packet.data() + 30, 4))
        << "to the target's VTEP";
}

TEST_F(Answers, GroupPolicyBothWays)
{
    with(XV_VTEP_GBP);
    vtep.reserved_flags = 0x77000000;
    write_vtep();
    entry(target, "192.168.8.101");
    for (const unsigned mark : {0U, 0x1234U, 0xff48abcdU})
        nexthop("192.168.8.101", mark);
    entry(*Mac::parse(Ether{}.src), "192.168.8.101", 0);
    admitted(*Ip::parse("192.168.8.101"));
    const std::string mac = target.text(), own = under.mac.text();
    const Bytes frame = Ether{.dst = mac.c_str()} / (Ipv4{} / (Udp{.dst = 9} / payload(20)));
    const auto flags = [](const Outcome &run) {
        return run.packet.at(42) << 24 | run.packet.at(43) << 16 | run.packet.at(44) << 8 |
               run.packet.at(45);
    };
    EXPECT_EQ(flags(encap(frame)), 0x08000000) << "no mark, no group";
    EXPECT_EQ(flags(encap(frame, 0x1234)), static_cast<int>(0x88001234));
    EXPECT_EQ(flags(encap(frame, 0xff48abcd)), static_cast<int>(0x8848abcd))
        << "what is no id, D or A stays here";
    const auto arrives = [&](std::uint32_t word) {
        return tc(skeleton->progs.xvtep_tc_underlay_ingress, under,
                  Ether{.dst = own.c_str()} /
                      (Ipv4{.src = "192.168.8.101", .dst = "192.168.8.100"} /
                       (Udp{} / (Vxlan{.flags = word} / frame))))
            .mark;
    };
    EXPECT_EQ(arrives(0x88401234), 0x401234U);
    EXPECT_EQ(arrives(0x08000000), 0U);
}

} // namespace
} // namespace xvtep::test
