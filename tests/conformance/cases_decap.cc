// SPDX-License-Identifier: GPL-2.0-only
// What comes from the wire: what is taken, what is refused, and how it looks inside.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

// For a MAC that the bridge does not know: to both access ports, and never back to the wire.
Step in(const Bytes &inner, const Outer &o = {})
{
    return send(Side::wire, from_wire(inner, o), flooded(inner));
}
Step in6(const Bytes &inner, const Outer &o = {})
{
    return send(Side::wire, from_wire6(inner, o), flooded(inner));
}
Step taken(const Bytes &frame, const Bytes &inner)
{
    return send(Side::wire, frame, flooded(inner));
}
Step refuse(const Bytes &frame)
{
    return send(Side::wire, frame);
}

// The outer headers by hand.
struct Lies {
    Ipv4 ip{.src = "192.0.2.2", .dst = "192.0.2.1"};
    Udp udp{};
    const char *to_mac = sut_mac;
    std::optional<unsigned> vlan{};
};
Bytes odd(const Bytes &inner, const Lies &l, const Outer &o = {})
{
    return Ether{.dst = l.to_mac, .src = endpoint_mac(2), .vlan = l.vlan} /
           (l.ip / (l.udp / vxlan(o, inner)));
}
Bytes odd6(const Bytes &inner, const Ipv6 &ip, const Udp &udp)
{
    return Ether{.dst = sut_mac, .src = endpoint_mac(2), .type = 0x86dd} /
           (ip / (udp / vxlan({}, inner)));
}

Bytes changed(Bytes frame, std::size_t at, unsigned by)
{
    frame[at] = static_cast<std::uint8_t>(frame[at] ^ by);
    return frame;
}
Bytes longer(Bytes frame, std::size_t by)
{
    frame.resize(frame.size() + by, 0xee);
    return frame;
}
Bytes first_of(Bytes frame, std::size_t size)
{
    frame.resize(size);
    return frame;
}
Bytes shorter(Bytes frame, std::size_t by)
{
    frame.resize(frame.size() - by);
    return frame;
}

// An IPv6 frame of the wire in two fragments.
std::vector<Bytes> halves6(const Bytes &frame, std::size_t first)
{
    const Bytes body(frame.begin() + 54, frame.end());
    std::vector<Bytes> out;
    for (const bool last : {false, true}) {
        Bytes part;
        put8(part, 17);
        put8(part, 0);
        put16(part, static_cast<unsigned>(last ? first : 1));
        put32(part, 0x1234);
        part.insert(part.end(), body.begin() + static_cast<std::ptrdiff_t>(last ? first : 0),
                    last ? body.end() : body.begin() + static_cast<std::ptrdiff_t>(first));
        out.push_back(Ether{.dst = sut_mac, .src = endpoint_mac(2), .type = 0x86dd} /
                      (Ipv6{.src = endpoint6(2), .dst = endpoint6(1), .next = 44} / part));
    }
    return out;
}

Bytes tagged_twice(unsigned outer_type)
{
    Bytes inner;
    put16(inner, 0x0064);
    put16(inner, 0x8100);
    put16(inner, 0x00c8);
    put16(inner, 0x0800);
    put(inner, Ipv4{} / (Udp{.dst = 7} / payload(32)));
    return Ether{.dst = A, .src = B, .type = outer_type} / inner;
}

} // namespace

std::vector<Case> decap_cases()
{
    const Bytes plain = v4(A, B), six = v6(A, B), all = v4(broadcast, B);
    const Lies honest{};
    const auto lie = [](auto change) {
        Lies lies{};
        change(lies);
        return lies;
    };
    const unsigned udp_size = static_cast<unsigned>(8 + 8 + plain.size());
    const std::string not_verified =
        "the outer UDP checksum is not verified; the inner packet has its own";
    std::vector<Case> list{
        {"decap", "ipv4", {}, {in(plain)}},
        {"decap", "ipv6", {}, {in(six)}},
        {"decap", "broadcast", {}, {in(all)}},
        {"decap", "multicast_mac", {}, {in(v4(multicast, B))}},
        {"decap", "arp", {}, {in(arp(broadcast, B, {.sender_mac = B}))}},
        {"decap", "not_ip", {}, {in(other(A, B))}},
        {"decap",
         "known_to_one_port",
         {},
         {send(Side::access, v4(broadcast, A), {wire(v4(broadcast, A)), access2(v4(broadcast, A))}),
          send(Side::wire, from_wire(plain), {access(plain)})}},
        {"decap", "vlan_tag_kept", {}, {in(v4(A, B, {.vlan = 100}))}},
        {"decap", "vlan_priority_kept", {}, {in(v4(A, B, {.vlan = 0xa064}))}},
        {"decap", "vlan_tags_two_kept", {}, {in(tagged_twice(0x88a8))}},
        {"decap", "vlan_tags_two_of_a_kind_kept", {}, {in(tagged_twice(0x8100))}},
        {"decap", "ethernet_header_alone", {}, {in(other(A, B, 0))}},
        {"decap",
         "inner_ip_header_cut",
         {},
         {in(plain), refuse(from_wire(first_of(plain, 33))), refuse(from_wire(first_of(six, 53))),
          refuse(from_wire(first_of(plain, 14)))}},
        {"decap", "inner_ip_header_whole", {}, {in(first_of(plain, 34)), in(first_of(six, 54))}},
        {"decap", "one_byte_payload", {}, {in(other(A, B, 1))}},
        {"decap", "largest", {}, {in(v4(A, B, {.size = 1450 - 28}))}},
        {"decap", "jumbo", {.underlay_mtu = 9000}, {in(v4(A, B, {.size = 1472}))}},
        {"decap", "outer_ttl_one", {}, {in(plain, {.ttl = 1})}},
        {"decap", "outer_dscp_not_copied", {}, {in(plain, {.tos = 0xb8})}},
        {"decap", "outer_df", {}, {in(plain, {.df = true})}},
        {"decap", "source_port_zero", {}, {in(plain, {.source_port = 0})}},
        {"decap", "source_port_low", {}, {in(plain, {.source_port = 53})}},
        {"decap", "from_other_than_remote", {}, {in(plain, {.remote = 4})}},
        {"decap", "without_remote", without_remote(), {in(plain)}},
        {"decap",
         "never_back_to_the_flood_list",
         {},
         {table("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"), in(all), in(plain),
          in(all, {.remote = 3})}},
        {"decap",
         "never_back_to_a_known_remote",
         {},
         {table(std::string("fdb add ") + C + " dev vxlan0 dst 192.0.2.3"), in(v4(C, B))}},
        {"decap",
         "on_host",
         on_host(),
         {send(Side::wire, from_wire(v4(device_mac, B)), {at_host(v4(device_mac, B))}),
          send(Side::wire, from_wire(all), {at_host(all)})}},
        {"decap",
         "port_other",
         {.devices = {{.dstport = 8472}}},
         {in(plain, {.port = 8472}), refuse(from_wire(plain))}},
        {"decap", "vni_largest", {.devices = {{.vni = 16777215}}}, {in(plain, {.vni = 16777215})}},

        {"decap", "no_vni_flag", {}, {refuse(from_wire(plain, {.flags = 0})), in(all)}},
        {"decap",
         "other_flag_instead",
         {},
         {refuse(from_wire(plain, {.flags = 0x80000000})), in(all)}},
        {"decap",
         "reserved_gbp_flag",
         {},
         {refuse(from_wire(plain, {.flags = 0x88000000})), in(all)}},
        {"decap",
         "reserved_gpe_flag",
         {},
         {refuse(from_wire(plain, {.flags = 0x0c000000})), in(all)}},
        {"decap",
         "reserved_oam_flag",
         {},
         {refuse(from_wire(plain, {.flags = 0x09000000})), in(all)}},
        {"decap",
         "reserved_second_byte",
         {},
         {refuse(from_wire(plain, {.flags = 0x08400000})), in(all)}},
        {"decap",
         "reserved_third_byte",
         {},
         {refuse(from_wire(plain, {.flags = 0x08000100})), in(all)}},
        {"decap",
         "reserved_fourth_byte",
         {},
         {refuse(from_wire(plain, {.flags = 0x08000001})), in(all)}},
        {"decap", "reserved_last_byte", {}, {refuse(from_wire(plain, {.reserved = 1})), in(all)}},
        {"decap",
         "reserved_last_byte_high",
         {},
         {refuse(from_wire(plain, {.reserved = 0x80})), in(all)}},
        {"decap",
         "reserved_bits_allowed",
         {.reserved_bits = 0x77ffff0000000000},
         {in(plain, {.flags = 0x88000000}), in(plain, {.flags = 0x080000ff}),
          in(plain, {.reserved = 0xff}), refuse(from_wire(plain, {.flags = 0x0c000000})),
          refuse(from_wire(plain, {.flags = 0x08010000}))}},
        {"decap",
         "reserved_bits_last_byte_alone",
         {.reserved_bits = 0x00000000000000ff},
         {in(plain, {.flags = 0xf8ffffff}), refuse(from_wire(plain, {.reserved = 2}))}},

        {"decap", "vxlan_vni_not_found", {}, {refuse(from_wire(plain, {.vni = 43})), in(all)}},
        {"decap", "vni_zero", {}, {refuse(from_wire(plain, {.vni = 0})), in(all)}},
        {"decap", "other_udp_port", {}, {refuse(from_wire(plain, {.port = 4790})), in(all)}},
        {"decap",
         "second_local_address",
         {},
         {taken(odd(plain, lie([](Lies &l) { l.ip.dst = "192.0.2.11"; })), plain)}},
        {"decap",
         "to_another_host",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.dst = "192.0.2.5"; }))), in(all)}},
        {"decap",
         "to_another_mac",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.to_mac = "02:22:00:00:00:77"; }))), in(all)}},
        {"decap",
         "to_the_broadcast_mac",
         {},
         {taken(odd(plain, lie([](Lies &l) { l.to_mac = broadcast; })), plain)}},
        {"decap",
         "to_the_broadcast_address",
         {},
         {taken(odd(plain, lie([](Lies &l) {
                        l.to_mac = broadcast;
                        l.ip.dst = "255.255.255.255";
                    })),
                plain)}},
        {"decap",
         "transit",
         {},
         {sut("sysctl -qw net.ipv4.ip_forward=1"),
          send(Side::wire, odd(plain, lie([](Lies &l) { l.ip.dst = "192.0.2.3"; })),
               {{Side::wire, Ether{.dst = endpoint_mac(3), .src = sut_mac} /
                                 (Ipv4{.src = "192.0.2.2", .dst = "192.0.2.3", .ttl = 63} /
                                  (Udp{} / vxlan({}, plain)))}})}},
        {"decap",
         "from_own_address",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.src = "192.0.2.1"; }))), in(all)}},
        {"decap",
         "from_a_multicast_address",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.src = "239.1.1.1"; }))), in(all)}},
        {"decap",
         "from_no_address",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.src = "0.0.0.0"; }))), in(all)}},
        {"decap",
         "from_loopback",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.src = "127.0.0.1"; }))), in(all)}},
        {"decap",
         "outer_vlan",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.vlan = 5; }))), in(all)}},
        {"decap",
         "outer_priority_tag",
         {},
         {taken(odd(plain, lie([](Lies &l) { l.vlan = 0x6000; })), plain)}},

        {"decap",
         "checksum_right",
         {},
         {in(plain, {.sum = true}), in(v4(A, B, {.size = 33}), {.sum = true})}},
        {"decap",
         "checksum_wrong",
         {},
         {in(all), refuse(changed(from_wire(plain, {.sum = true}), 40, 1)), in(all)},
         not_verified,
         {in(all), taken(changed(from_wire(plain, {.sum = true}), 40, 1), plain)}},
        {"decap",
         "checksum_wrong_teaches_nothing",
         {},
         {refuse(changed(from_wire(plain, {.sum = true}), 40, 1)), in(all)}},
        {"decap", "checksum_zero_with_udpcsum", with("udpcsum"), {in(plain)}},
        {"decap", "checksum_right_with_udpcsum", with("udpcsum"), {in(plain, {.sum = true})}},
        {"decap", "ip_checksum_wrong", {}, {refuse(changed(from_wire(plain), 24, 1)), in(all)}},
        {"decap", "ip_version_wrong", {}, {refuse(changed(from_wire(plain), 14, 0x10)), in(all)}},
        {"decap",
         "vxlan_header_truncated",
         {},
         {refuse(Ether{.dst = sut_mac, .src = endpoint_mac(2)} /
                 (honest.ip / (Udp{} / payload(4)))),
          in(all)}},
        {"decap",
         "udp_without_payload",
         {},
         {refuse(Ether{.dst = sut_mac, .src = endpoint_mac(2)} / (honest.ip / (Udp{} / Bytes{}))),
          in(all)}},
        {"decap", "no_inner_frame", {}, {refuse(odd({}, honest)), in(all)}},
        {"decap",
         "inner_shorter_than_ethernet",
         {},
         {refuse(odd(shorter(other(A, B, 0), 1), honest)), in(all)}},
        {"decap",
         "udp_length_short",
         {},
         {taken(odd(plain, lie([&](Lies &l) { l.udp.length = udp_size - 5; })),
                shorter(plain, 5))}},
        {"decap",
         "udp_length_long",
         {},
         {refuse(odd(plain, lie([&](Lies &l) { l.udp.length = udp_size + 5; }))), in(all)}},
        {"decap",
         "udp_length_zero",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.udp.length = 0; }))), in(all)}},
        {"decap",
         "udp_length_seven",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.udp.length = 7; }))), in(all)}},
        {"decap", "trailing_padding", {}, {taken(longer(from_wire(plain), 9), plain)}},
        {"decap",
         "ip_length_short",
         {},
         {refuse(odd(plain, lie([&](Lies &l) { l.ip.length = 20 + udp_size - 5; }))), in(all)}},
        {"decap",
         "ip_length_long",
         {},
         {refuse(odd(plain, lie([&](Lies &l) { l.ip.length = 20 + udp_size + 5; }))), in(all)}},
        {"decap",
         "ip_length_of_header_alone",
         {},
         {refuse(odd(plain, lie([](Lies &l) { l.ip.length = 20; }))), in(all)}},
        {"decap",
         "ip_options",
         {},
         {taken(odd(plain, lie([](Lies &l) { l.ip.options = true; })), plain)}},
        {"decap",
         "fragments",
         {},
         {send_all(Side::wire, halves(from_wire(plain), 48), flooded(plain))}},
        {"decap",
         "fragments_reordered",
         {},
         {send_all(Side::wire, {halves(from_wire(plain), 48)[1], halves(from_wire(plain), 48)[0]},
                   flooded(plain))}},
        {"decap",
         "fragments_cut_in_the_headers",
         {},
         {send_all(Side::wire, halves(from_wire(plain), 8), flooded(plain))}},
        {"decap", "fragment_first_alone", {}, {refuse(halves(from_wire(plain), 48)[0]), in(all)}},

        {"decap", "source_own", {}, {refuse(from_wire(v4(A, device_mac))), in(all)}},
        {"decap", "source_multicast", {}, {refuse(from_wire(v4(A, multicast))), in(all)}},
        {"decap", "source_zero", {}, {refuse(from_wire(v4(A, zero_mac))), in(all)}},
        {"decap", "source_broadcast", {}, {refuse(from_wire(v4(A, broadcast))), in(all)}},
        {"decap",
         "source_zero_nolearning",
         with("nolearning"),
         {refuse(from_wire(v4(A, zero_mac))), in(all)}},
        {"decap", "source_zero_on_host", on_host(), {refuse(from_wire(v4(device_mac, zero_mac)))}},

        {"decap", "underlay6_ipv4", with6(), {in6(plain)}},
        {"decap", "underlay6_ipv6", with6(), {in6(six)}},
        {"decap", "underlay6_broadcast", with6(), {in6(all)}},
        {"decap", "underlay6_vlan_tag_kept", with6(), {in6(v4(A, B, {.vlan = 100}))}},
        {"decap",
         "underlay6_zero_checksum",
         with6(),
         {refuse(from_wire6(plain, {.no_sum6 = true})), in6(all)}},
        {"decap",
         "underlay6_zero_checksum_allowed",
         with6("udp6zerocsumrx"),
         {in6(plain, {.no_sum6 = true}), in6(plain)}},
        {"decap",
         "underlay6_checksum_wrong",
         with6(),
         {in6(all), refuse(changed(from_wire6(plain), 60, 1)), in6(all)},
         not_verified,
         {in6(all), taken(changed(from_wire6(plain), 60, 1), plain)}},
        {"decap",
         "underlay6_no_vni_flag",
         with6(),
         {refuse(from_wire6(plain, {.flags = 0})), in6(all)}},
        {"decap",
         "underlay6_unknown_vni",
         with6(),
         {refuse(from_wire6(plain, {.vni = 43})), in6(all)}},
        {"decap", "underlay6_hop_limit_one", with6(), {in6(plain, {.ttl = 1})}},
        {"decap",
         "underlay6_to_another_host",
         with6(),
         {refuse(odd6(plain, {.src = "fd08::2", .dst = "fd08::5"},
                      {.from = "fd08::2", .to = "fd08::5"})),
          in6(all)}},
        {"decap",
         "underlay6_from_own_address",
         with6(),
         {taken(odd6(plain, {.src = "fd08::1", .dst = "fd08::1"},
                     {.from = "fd08::1", .to = "fd08::1"}),
                plain)}},
        {"decap",
         "underlay6_trailing_padding",
         with6(),
         {taken(longer(from_wire6(plain), 9), plain)}},
        {"decap",
         "underlay6_fragments",
         with6(),
         {send_all(Side::wire, halves6(from_wire6(plain), 48), flooded(plain))}},
        {"decap", "underlay6_of_other_family", with6(), {refuse(from_wire(plain)), in6(all)}},
        {"decap", "underlay4_of_other_family", {}, {refuse(from_wire6(plain)), in(all)}},
    };
    return list;
}

// RFC 6040 4.2, with what Linux makes of ECT(1) outside ECT(0).
std::vector<Case> ecn_cases()
{
    static const char *const code[] = {"not_ect", "ect1", "ect0", "ce"};
    const auto result = [](unsigned outer, unsigned inner) -> std::optional<unsigned> {
        if (inner == 0)
            return outer == 3 ? std::nullopt : std::optional<unsigned>(0);
        if (outer == 3)
            return 3;
        return inner == 2 && outer == 1 ? 1 : inner;
    };
    std::vector<Case> list;
    for (const bool inner6 : {false, true})
        for (const bool underlay6 : {false, true})
            for (unsigned outer = 0; outer < 4; outer++)
                for (unsigned inner = 0; inner < 4; inner++) {
                    // Each pair over IPv4; over IPv6 those that change or drop something.
                    const auto becomes = result(outer, inner);
                    if (underlay6 && becomes == inner)
                        continue;
                    const auto frame = [&](unsigned tos) {
                        return inner6 ? v6(A, B, {.tos = tos}) : v4(A, B, {.tos = tos});
                    };
                    const Outer o{.tos = 0xb8 | outer};
                    const Bytes packet = underlay6 ? from_wire6(frame(0x20 | inner), o)
                                                   : from_wire(frame(0x20 | inner), o);
                    list.push_back(
                        {"ecn",
                         std::string("outer_") + code[outer] + "_inner_" + code[inner] +
                             (inner6 ? "_ipv6" : "_ipv4") + (underlay6 ? "_underlay6" : ""),
                         underlay6 ? with6() : Setup{},
                         {becomes ? send(Side::wire, packet, flooded(frame(0x20 | *becomes)))
                                  : refuse(packet)}});
                }
    // A tag in front of the inner header: the kernel looks at IP only where the type says so.
    list.push_back({"ecn",
                    "outer_ce_inner_ect0_tagged",
                    {},
                    {in(v4(A, B, {.tos = 2, .vlan = 100}), {.tos = 3})}});
    list.push_back({"ecn", "outer_ce_not_ip", {}, {in(other(A, B), {.tos = 3})}});
    list.push_back(
        {"ecn", "outer_ce_arp", {}, {in(arp(broadcast, B, {.sender_mac = B}), {.tos = 3})}});
    return list;
}

} // namespace xvtep::conformance
