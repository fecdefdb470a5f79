// SPDX-License-Identifier: GPL-2.0-only
#include <filesystem>
#include <fstream>

#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

const Mac container = *Mac::parse("02:00:00:00:00:02");
const Mac far_mac = *Mac::parse("02:00:00:00:00:01");

Bytes inner_udp(std::size_t size = 18)
{
    return Ether{} / (Ipv4{} / (Udp{.dst = 9} / payload(size)));
}

class Decap : public ProgramCase {
  protected:
    // The inner source is known behind the sender, unless a test changes that.
    Bytes outer(const Bytes &inner, unsigned tos = 0)
    {
        const char *const sender = v6() ? "fd08::101" : "192.168.8.101";
        if (known_)
            entry(far_mac, sender, 0);
        if (admitted_)
            admitted(*Ip::parse(sender));
        mac_ = under.mac.text();
        const Ether ether{
            .dst = mac_.c_str(), .src = "02:00:00:00:00:fe", .type = v6() ? 0x86ddU : 0x0800U};
        if (v6())
            return ether / (Ipv6{.src = "fd08::101", .dst = "fd08::100", .tos = tos} /
                            (Udp{.from = "fd08::101", .to = "fd08::100"} / (Vxlan{} / inner)));
        return ether / (Ipv4{.src = "192.168.8.101", .dst = "192.168.8.100", .tos = tos} /
                        (Udp{} / (Vxlan{} / inner)));
    }

    [[nodiscard]] bool v6() const { return (vtep.flags & XV_VTEP_V6) != 0; }

    // Runs both programs: TC decapsulates; XDP does and leaves metadata, or redirects.
    void expect_stripped(const Bytes &inner)
    {
        const Outcome tc_run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner));
        EXPECT_EQ(tc_run.action, tc_redirect);
        EXPECT_EQ(tc_run.packet, inner) << difference(tc_run.packet, inner);
        EXPECT_EQ(tc_run.counted, (std::map<std::string, std::uint64_t>{{"rx", 1}}));
        // A packet out of IPsec has an Ethernet header, where other packets have none.
        const Outcome l3_run = tc(skeleton->progs.xvtep_tc_l3_ingress, under, outer(inner));
        EXPECT_EQ(l3_run.action, tc_redirect);
        EXPECT_EQ(l3_run.packet, inner) << difference(l3_run.packet, inner);
        EXPECT_EQ(l3_run.counted, (std::map<std::string, std::uint64_t>{{"rx", 1}}));
        const Outcome xdp_run = xdp(skeleton->progs.xvtep_xdp_underlay, under, outer(inner));
        EXPECT_EQ(xdp_run.action, XDP_PASS);
        EXPECT_EQ(xdp_run.packet, inner) << difference(xdp_run.packet, inner);
        EXPECT_TRUE(xdp_run.counted.empty()) << "the TC program behind counts";
    }

    bool known_ = true, admitted_ = true;

  private:
    std::string mac_;
};

TEST_F(Decap, StripsToTheDevice)
{
    expect_stripped(inner_udp());
    expect_stripped(inner_udp(1372));
    expect_stripped(Ether{.type = 0x86dd} / (Ipv6{} / (Udp{.dst = 9} / payload(20))));
    expect_stripped(Ether{.dst = "ff:ff:ff:ff:ff:ff", .type = 0x0806} / arp_request());
    expect_stripped(Ether{.type = 0x0800, .vlan = 5} / (Ipv4{} / (Udp{.dst = 9} / payload(20))));
}

TEST_F(Decap, StripsOnIpv6)
{
    on_v6();
    expect_stripped(inner_udp(100));
    expect_stripped(Ether{.type = 0x86dd} / (Ipv6{} / (Udp{.dst = 9} / payload(20))));
}

TEST_F(Decap, KnownMacGoesToItsPort)
{
    local_entry(container, XV_FDB_XDP);
    const Outcome tc_run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner_udp()));
    EXPECT_EQ(tc_run.action, tc_redirect);
    EXPECT_EQ(tc_run.packet, inner_udp());
    const Outcome xdp_run = xdp(skeleton->progs.xvtep_xdp_underlay, under, outer(inner_udp()));
    EXPECT_EQ(xdp_run.action, XDP_REDIRECT);
    EXPECT_EQ(xdp_run.packet, inner_udp()) << difference(xdp_run.packet, inner_udp());
    EXPECT_EQ(xdp_run.counted, (std::map<std::string, std::uint64_t>{{"rx", 1}}));
}

TEST_F(Decap, TheVtepsOwnMacIsTheHostsWhateverTheTableSays)
{
    const auto sent_to = [&](const Mac &mac) {
        local_entry(mac, XV_FDB_XDP);
        const std::string to = mac.text();
        return xdp(skeleton->progs.xvtep_xdp_underlay, under,
                   outer(Ether{.dst = to.c_str()} / (Ipv4{} / (Udp{} / payload(18)))))
            .action;
    };
    EXPECT_EQ(sent_to(device.mac), XDP_PASS);
    for (std::size_t at = 0; at < device.mac.octets.size(); at++) {
        Mac other = device.mac;
        other.octets[at] ^= 0x10;
        EXPECT_EQ(sent_to(other), XDP_REDIRECT) << other.text();
    }
}

// A packet with a new source goes unchanged to the kernel's device, which learns the source; the
// programs learn it at that device (tests/conformance, learning).
TEST_F(Decap, WhatIsToBeLearnedIsLeftToTheKernel)
{
    known_ = false;
    const auto expect_left = [&](const char *why) {
        const auto before = found(far_mac);
        const Bytes packet = outer(inner_udp());
        const Outcome xdp_run = xdp(skeleton->progs.xvtep_xdp_underlay, under, packet);
        EXPECT_EQ(xdp_run.action, XDP_PASS) << why;
        EXPECT_EQ(xdp_run.packet, packet) << why;
        EXPECT_TRUE(xdp_run.counted.empty()) << why;
        const Outcome run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet);
        EXPECT_EQ(run.action, tc_pass) << why;
        EXPECT_EQ(run.packet, packet) << why;
        EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"to_learn", 1}})) << why;
        EXPECT_EQ(found(far_mac).has_value(), before.has_value()) << why;
    };
    expect_left("new");
    entry(far_mac, "192.168.8.109", 0);
    expect_left("moved");
    local_entry(far_mac);
    expect_left("moved from a port");
    entry(far_mac, "192.168.8.101", 0, 1, 301'000'000'000ULL);
    expect_left("expired");
    vtep.renew_shift = 36;
    write_vtep();
    entry(far_mac, "192.168.8.101", 0, 1, 1ULL << 36);
    expect_left("heard of by the kernel's device a while ago");

    entry(far_mac, "192.168.8.109", XV_FDB_STATIC);
    const Outcome kept = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner_udp()));
    EXPECT_EQ(kept.action, tc_shot);
    EXPECT_EQ(kept.counted, (std::map<std::string, std::uint64_t>{{"vxlan_entry_exists", 1}}));
    EXPECT_EQ(found(far_mac)->to, remote("192.168.8.109"));

    vtep.renew_shift = 63;
    write_vtep();
    entry(far_mac, "192.168.8.101", 0, 1, 100'000'000'000ULL);
    const auto before = found(far_mac)->updated;
    EXPECT_EQ(tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner_udp())).action,
              tc_redirect);
    EXPECT_GT(found(far_mac)->updated, before) << "refreshed by reception";
}

TEST_F(Decap, ASenderIsLetInByTheKernelFirst)
{
    admitted_ = false;
    for (const bool learning : {true, false}) {
        if (!learning)
            vtep.flags = 0;
        write_vtep();
        const Bytes packet = outer(inner_udp());
        EXPECT_EQ(xdp(skeleton->progs.xvtep_xdp_underlay, under, packet).packet, packet);
        const Outcome run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet);
        EXPECT_EQ(run.action, tc_pass);
        EXPECT_EQ(run.packet, packet);
        EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"to_admit", 1}}));
    }
}

// Packets with forged senders keep others from the table for some seconds only, and fragments do
// so in half of each set.
TEST_F(Decap, ForgedSendersLeaveRoom)
{
    admitted_ = false;
    const xv_addr own = to_addr(*Ip::parse("192.168.8.101"));
    const __u32 set = xv_sender_index(&own, vtep.dstport) & ~3U;
    const auto fill = [&](int lower, int upper) { // seconds since their last packet, about
        for (__u32 n = 0; n < 4; n++) {
            xv_sender forged{};
            forged.addr = to_addr(*Ip::parse(fmt::format("10.9.9.{}", n)));
            forged.port = vtep.dstport;
            forged.last_marked =
                static_cast<__u16>(((now() >> 30) - static_cast<__u64>(n < 2 ? lower : upper)) | 1);
            write(skeleton->maps.senders, set + n, forged);
        }
    };
    const auto way = [&] { // that the sender has; 4: none
        __u32 n = 0;
        for (xv_sender value{}; n < 4; n++) {
            const __u32 index = set + n;
            EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.senders), &index, &value), 0);
            if (std::memcmp(&value.addr, &own, sizeof(own)) == 0)
                break;
        }
        return n;
    };
    const Bytes whole = outer(inner_udp());
    const auto text = under.mac.text();
    const Bytes fragment =
        Ether{.dst = text.c_str(), .src = "02:00:00:00:00:fe"} /
        (Ipv4{.src = "192.168.8.101", .dst = "192.168.8.100", .fragment = 0x2000} /
         (Udp{} / (Vxlan{} / inner_udp(30))));
    const auto send = [&](const Bytes &packet) {
        EXPECT_EQ(tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet).action, tc_pass);
        return way();
    };
    fill(0, 0);
    EXPECT_EQ(send(whole), 4U) << "others have just been heard";
    fill(0, 20);
    EXPECT_EQ(send(whole), 4U) << "fragments of theirs may be waiting";
    fill(20, 0);
    EXPECT_LT(send(whole), 2U);
    fill(20, 20);
    EXPECT_EQ(send(fragment), 4U);
    fill(0, 80);
    EXPECT_LT(send(whole), 4U);
    fill(20, 80);
    EXPECT_GE(send(fragment), 2U);
    EXPECT_LT(way(), 4U);
}

// Only what may be for a VTEP of ours takes a place: no fragments but the first, whose data is no
// port, and no packets of other protocols and ports that have options.
TEST_F(Decap, OthersTakeNoPlaceOfSenders)
{
    admitted_ = false;
    const auto text = under.mac.text();
    const Ether ether{.dst = text.c_str(), .src = "02:00:00:00:00:fe"};
    const Ether ether6{.dst = text.c_str(), .src = "02:00:00:00:00:fe", .type = 0x86dd};
    // How many places are taken after a packet, all of them for our port.
    const auto places = [&](const Bytes &packet) {
        const int fd = bpf_map__fd(skeleton->maps.senders);
        for (__u32 n = 0; n < XV_SENDERS; n++)
            write(skeleton->maps.senders, n, xv_sender{});
        EXPECT_EQ(tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet).action, tc_pass);
        int count = 0;
        for (__u32 n = 0; n < XV_SENDERS; n++) {
            xv_sender value{};
            EXPECT_EQ(bpf_map_lookup_elem(fd, &n, &value), 0);
            if (value.last_marked == 0)
                continue;
            count++;
            EXPECT_EQ(value.port, vtep.dstport);
        }
        return count;
    };
    const auto v4 = [&](const Ipv4 &ip, const Bytes &payload) { return ether / (ip / payload); };
    const Bytes vxlan = Udp{} / (Vxlan{} / inner_udp(30)), other = Udp{.dst = 53} / inner_udp(30);
    const char *const src = "192.168.8.101", *const dst = "192.168.8.100";
    EXPECT_EQ(places(v4({.src = src, .dst = dst}, vxlan)), 1);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .fragment = 0x2000}, vxlan)), 1);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .fragment = 0x2007}, vxlan)), 0);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .fragment = 0x0007}, vxlan)), 0);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .options = true}, vxlan)), 1);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .options = true}, other)), 0);
    EXPECT_EQ(places(v4({.src = src, .dst = dst, .fragment = 0x2000}, other)), 0);

    const auto v6 = [&](unsigned next, Bytes header, const Bytes &payload) {
        put(header, payload);
        return ether6 / (Ipv6{.src = "fd08::101", .dst = "fd08::100", .next = next} / header);
    };
    const Bytes icmp(16, 0x8f);
    const auto header = [](unsigned next) {
        return Bytes{static_cast<std::uint8_t>(next), 0, 5, 2, 0, 0, 1, 0};
    };
    const auto fragment = [](unsigned offset) {
        return Bytes{
            17, 0, static_cast<std::uint8_t>(offset >> 8), static_cast<std::uint8_t>(offset), 0, 0,
            0,  9};
    };
    EXPECT_EQ(places(v6(0, header(58), icmp)), 0) << "a report of groups";
    EXPECT_EQ(places(v6(60, header(17), vxlan)), 1);
    EXPECT_EQ(places(v6(60, header(17), other)), 0);
    EXPECT_EQ(places(v6(51, Bytes{17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, vxlan)), 1);
    EXPECT_EQ(places(v6(44, fragment(1), vxlan)), 1);
    EXPECT_EQ(places(v6(44, fragment(0x101), vxlan)), 0);
    EXPECT_EQ(places(v6(44, fragment(0x100), vxlan)), 0);
}

// A VTEP with many MACs leaves room for the others, and all leave room for entries of user space.
// A frame whose source finds no room is delivered, and the kernel's device does not learn it
// either.
TEST_F(Decap, LearningLeavesRoom)
{
    known_ = false;
    const auto learns = [&](std::uint64_t own, std::uint64_t all) {
        write(skeleton->maps.fdb_count, __u32{0}, __u64{all});
        write(skeleton->maps.fdb_count, __u32{vtep_slot}, __u64{own});
        const Outcome run =
            tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner_udp()));
        EXPECT_TRUE(run.counted.contains("to_learn") ? run.action == tc_pass
                                                     : run.action == tc_redirect);
        return run.action == tc_pass;
    };
    EXPECT_TRUE(learns(XV_FDB_SMALL - 1, XV_FDB_LEARNED(XV_FDB_START) - 1));
    EXPECT_FALSE(learns(XV_FDB_SMALL - 1, XV_FDB_LEARNED(XV_FDB_START)));
    // Alone, it has half of the table.
    constexpr unsigned half = XV_FDB_START / 2, rest = XV_FDB_LEARNED(XV_FDB_START) - half;
    EXPECT_TRUE(learns(half - 1, half - 1));
    EXPECT_FALSE(learns(half, half));
    // Beside a VTEP that has filled its half: four sevenths of what is left.
    constexpr unsigned share = (4 * rest + 6) / 7;
    EXPECT_TRUE(learns(share - 1, half + share - 1));
    EXPECT_FALSE(learns(share, half + share));
    EXPECT_FALSE(learns(XV_FDB_SMALL, XV_FDB_LEARNED(XV_FDB_START)));
    vtep.maxaddress = 10;
    write_vtep();
    EXPECT_TRUE(learns(9, 9));
    EXPECT_FALSE(learns(10, 10));
    EXPECT_FALSE(found(far_mac));
}

TEST_F(Decap, NoLearning)
{
    vtep.flags &= ~static_cast<__u32>(XV_VTEP_LEARNING);
    write_vtep();
    known_ = false;
    tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner_udp()));
    EXPECT_FALSE(found(far_mac));
}

TEST_F(Decap, EcnByRfc6040)
{
    // [inner][outer] of not-ECT, ECT(1), ECT(0), CE: the resulting inner field; -1: dropped.
    constexpr int table[4][4] = {{0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
    for (unsigned in = 0; in < 4; in++)
        for (unsigned out = 0; out < 4; out++)
            for (const bool inner6 : {false, true}) {
                const auto inner = [&](unsigned ecn) -> Bytes {
                    const unsigned tos = 0xb8 | ecn;
                    const Bytes udp = Udp{.dst = 9} / payload(20);
                    return inner6 ? Ether{.type = 0x86dd} / (Ipv6{.tos = tos} / udp)
                                  : Ether{} / (Ipv4{.tos = tos} / udp);
                };
                SCOPED_TRACE(testing::Message()
                             << "inner " << in << " outer " << out << (inner6 ? " IPv6" : " IPv4"));
                for (const bool with_xdp : {false, true}) {
                    const Outcome run = with_xdp ? xdp(skeleton->progs.xvtep_xdp_underlay, under,
                                                       outer(inner(in), out))
                                                 : tc(skeleton->progs.xvtep_tc_underlay_ingress,
                                                      under, outer(inner(in), out));
                    if (table[in][out] < 0) {
                        EXPECT_EQ(run.action, with_xdp ? static_cast<int>(XDP_DROP) : tc_shot);
                        EXPECT_EQ(run.counted.count("ip_tunnel_ecn"), 1U);
                        continue;
                    }
                    const Bytes want = inner(static_cast<unsigned>(table[in][out]));
                    EXPECT_EQ(run.packet, want) << difference(run.packet, want);
                }
            }
}

// Where XDP changes the mark and leaves the rest to TC, the outer checksum stays right: TC may find
// that the packet is for the kernel, which drops one with a wrong sum.
TEST_F(Decap, EcnKeepsTheOuterChecksum)
{
    write(skeleton->maps.underlays, under.index,
          xv_underlay{underlay_slot, XV_MODE_SKB, 0, 0, {}, 0, 0});
    const auto text = under.mac.text();
    for (const unsigned out : {1U, 3U})
        for (const bool inner6 : {false, true}) {
            const auto packet = [&](unsigned ecn) {
                const Bytes udp = Udp{.dst = 9} / payload(20);
                const Bytes inner = inner6 ? Ether{.type = 0x86dd} / (Ipv6{.tos = ecn} / udp)
                                           : Ether{} / (Ipv4{.tos = ecn} / udp);
                (void)outer(inner); // its sender and source are known
                return Ether{.dst = text.c_str(), .src = "02:00:00:00:00:fe"} /
                       (Ipv4{.src = "192.168.8.101", .dst = "192.168.8.100", .tos = out} /
                        (Udp{.from = "192.168.8.101", .to = "192.168.8.100"} / (Vxlan{} / inner)));
            };
            const Outcome run = xdp(skeleton->progs.xvtep_xdp_underlay, under, packet(2));
            EXPECT_EQ(run.action, XDP_PASS);
            EXPECT_EQ(run.packet, packet(out)) << difference(run.packet, packet(out));
        }
}

TEST_F(Decap, CutAtEveryByte)
{
    for (const bool six : {false, true}) {
        if (six)
            on_v6();
        const Bytes whole = outer(inner_udp());
        for (std::size_t size = ETH_HLEN; size < whole.size(); size++) {
            const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            if (size >=
                ETH_HLEN + (six ? 40U : 20U)) { // the kernel's test run refuses shorter packets
                const Outcome tc_run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, cut);
                EXPECT_EQ(tc_run.action, tc_pass) << size << ": its lengths lie, the stack judges";
                EXPECT_EQ(tc_run.packet, cut) << size;
                EXPECT_EQ(tc_run.counted, (std::map<std::string, std::uint64_t>{{"bad_length", 1}}))
                    << size;
            }
            const Outcome xdp_run = xdp(skeleton->progs.xvtep_xdp_underlay, under, cut);
            EXPECT_EQ(xdp_run.action, XDP_PASS) << size;
            EXPECT_EQ(xdp_run.packet, cut) << size;
        }
        // The same with correct outer lengths: the inner frame is cut short.
        for (std::size_t size = 0; size <= inner_udp().size(); size++) {
            const Bytes all = inner_udp();
            const Bytes inner(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
            const Outcome run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, outer(inner));
            if (size < ETH_HLEN + 20) { // as pskb_inet_may_pull() in the kernel
                EXPECT_EQ(run.action, tc_shot) << size;
                EXPECT_EQ(run.counted,
                          (std::map<std::string, std::uint64_t>{{"pkt_too_small", 1}}));
            } else {
                EXPECT_EQ(run.counted.size(), 1U) << size;
                EXPECT_TRUE(run.action == tc_redirect || run.action == tc_pass) << size;
            }
        }
    }
}

// Records of a little-endian or big-endian pcap file.
std::vector<Bytes> captured(const std::string &name)
{
    std::ifstream file(std::string(XVTEP_SOURCE_DIR) + "/../shared/captures/" + name,
                       std::ios::binary);
    const Bytes all{std::istreambuf_iterator<char>(file), {}};
    std::vector<Bytes> records;
    const auto word = [&](std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, all.data() + at, 4);
        return all[0] == 0xa1 ? __builtin_bswap32(value) : value;
    };
    for (std::size_t at = 24; at + 16 <= all.size();) {
        const std::size_t size = word(at + 8);
        records.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at + 16),
                             all.begin() + static_cast<std::ptrdiff_t>(at + 16 + size));
        at += 16 + size;
    }
    return records;
}

TEST_F(Decap, ForeignCaptures)
{
    if (!std::filesystem::exists(std::string(XVTEP_SOURCE_DIR) + "/../shared/captures"))
        GTEST_SKIP() << "no ../shared/captures beside the project";
    for (const auto &[name, dport] :
         {std::pair("vxlan.pcap", 4789), std::pair("vxlan_port_8472.pcap", 8472)}) {
        const auto packets = captured(name);
        ASSERT_FALSE(packets.empty()) << name;
        vtep.dstport = htons(static_cast<std::uint16_t>(dport));
        write(skeleton->maps.dstports, static_cast<__u32>(dport / 64), __u64{1} << (dport % 64));
        vtep.vni = 100;
        for (Bytes packet : packets) {
            // The VTEP gets the address that the packet was sent to.
            std::ranges::copy(under.mac.octets, packet.begin());
            vtep.local = to_addr(Ip::from_bytes(packet.data() + 30, 4));
            vtep.flags = 0; // no learning
            write_vtep();
            admitted(Ip::from_bytes(packet.data() + 26, 4));
            const Bytes inner(packet.begin() + XV_OUTER_V4, packet.end());
            const Outcome run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet);
            EXPECT_EQ(run.action, tc_redirect) << name;
            EXPECT_EQ(run.packet, inner) << difference(run.packet, inner);
            EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{"rx", 1}}));
        }
    }
    for (const char *name :
         {"gso-ipv4-vxlan-ipv4.pcap", "gso-ipv6-vxlan-ipv6.pcap", "nsh-over-vxlan-gpe.pcap"})
        for (const Bytes &packet : captured(name)) {
            if (packet.size() > 3500)
                continue; // too large for a test run
            const Outcome run = tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet);
            EXPECT_EQ(run.action, tc_pass) << name << ": not this host's";
            EXPECT_EQ(run.packet, packet) << name;
            EXPECT_EQ(run.counted.size(), 1U);
        }
}

} // namespace
} // namespace xvtep::test
