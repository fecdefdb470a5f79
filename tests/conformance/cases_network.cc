// SPDX-License-Identifier: GPL-2.0-only
// The VTEP among others: on one host, on the underlay's routes, in multicast groups, and at its
// MTU.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

Step cross(const Bytes &frame, const std::vector<Out> &out)
{
    return send(Side::access, frame, out);
}

// A second segment: br1 with the second access port.
Setup two(unsigned vni, unsigned dstport = 4789)
{
    return {.devices = {{}, {.name = "vxlan1", .vni = vni, .dstport = dstport, .bridge = "br1"}},
            .before = {"link add br1 type bridge mcast_snooping 0", "link set br1 up",
                       "link set c1 nomaster", "link set c1 master br1"}};
}

Bytes to_group(const Bytes &inner, unsigned ttl = 1)
{
    return Ether{.dst = "01:00:5e:01:01:01", .src = sut_mac} /
           (Ipv4{.src = endpoint(1), .dst = "239.1.1.1", .ttl = ttl} /
            (Udp{.src = 0} / vxlan({}, inner)));
}
Bytes from_group(const Bytes &inner, const char *src = "192.0.2.3")
{
    return Ether{.dst = "01:00:5e:01:01:01", .src = endpoint_mac(3)} /
           (Ipv4{.src = src, .dst = "239.1.1.1", .ttl = 1} / (Udp{} / vxlan({}, inner)));
}
Bytes to_group6(const Bytes &inner)
{
    return Ether{.dst = "33:33:00:00:01:01", .src = sut_mac, .type = 0x86dd} /
           (Ipv6{.src = "fd08::1", .dst = "ff05::101", .hops = 1} /
            (Udp{.src = 0, .from = "fd08::1", .to = "ff05::101"} / vxlan({}, inner)));
}
Bytes from_group6(const Bytes &inner)
{
    return Ether{.dst = "33:33:00:00:01:01", .src = endpoint_mac(3), .type = 0x86dd} /
           (Ipv6{.src = "fd08::3", .dst = "ff05::101", .hops = 1} /
            (Udp{.from = "fd08::3", .to = "ff05::101"} / vxlan({}, inner)));
}

Bytes far(const Bytes &inner, unsigned gateway)
{
    return Ether{.dst = endpoint_mac(gateway), .src = sut_mac} /
           (Ipv4{.src = endpoint(1), .dst = "198.51.100.7"} / (Udp{.src = 0} / vxlan({}, inner)));
}

// What the sender of an IPv4 packet too big for the path is told, as if by its destination.
Bytes fragmentation_needed(const Bytes &frame, unsigned mtu)
{
    Bytes message;
    put32(message, 0x03040000);
    put32(message, mtu);
    // The packet's start, as much as RFC 1812 4.3.2.3 allows.
    message.insert(message.end(), frame.begin() + 14, frame.begin() + 14 + (576 - 28));
    const unsigned sum = internet_checksum(message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum & 0xff);
    return Ether{.dst = A, .src = B} /
           (Ipv4{.src = "10.20.1.3", .dst = "10.20.1.2", .proto = 1, .id = 0, .fragment = 0x4000} /
            message);
}
Bytes packet_too_big(const Bytes &frame, unsigned mtu)
{
    Bytes message;
    put32(message, 0x02000000);
    put32(message, mtu);
    message.insert(message.end(), frame.begin() + 14, frame.begin() + 14 + (1280 - 48));
    const unsigned sum =
        transport_checksum(*Ip::parse("fd20::3"), *Ip::parse("fd20::2"), 58, message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum & 0xff);
    return Ether{.dst = A, .src = B, .type = 0x86dd} /
           (Ipv6{.src = "fd20::3", .dst = "fd20::2", .next = 58} / message);
}

// An IPv6 packet of 1500 bytes with these headers behind its own.
Bytes behind(unsigned next, Bytes headers)
{
    put(headers, payload(1500 - 40 - headers.size()));
    return Ether{.dst = B, .src = A, .type = 0x86dd} /
           (Ipv6{.src = "fd20::2", .dst = "fd20::3", .next = next} / headers);
}

Bytes ping(unsigned type, const char *dst, const char *src, const char *to, const char *from)
{
    Bytes message;
    put8(message, type);
    put8(message, 0);
    put16(message, 0);
    put32(message, 0x00070001);
    put(message, payload(24));
    const unsigned sum = internet_checksum(message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum & 0xff);
    return Ether{.dst = dst, .src = src} /
           (Ipv4{.src = from, .dst = to, .proto = 1, .id = 0} / message);
}

} // namespace

std::vector<Case> network_cases()
{
    const Bytes plain = v4(B, A), all = v4(broadcast, A), back = v4(A, B);
    const auto entry = [](const char *mac, const std::string &rest) {
        return table(std::string("fdb add ") + mac + " dev vxlan0 " + rest);
    };
    const std::string append = "fdb append 00:00:00:00:00:00 dev vxlan0 dst ";
    const Setup big{.devices = {{.mtu = "1500"}}}, big6{.devices = {[] {
                                                            Device d = device6();
                                                            d.mtu = "1500";
                                                            return d;
                                                        }()}};
    const Setup big_df{.devices = {{.options = "df set", .mtu = "1500"}}};
    const Setup group{.devices = {{.remote = "239.1.1.1", .group = true}}},
        group_ttl{.devices = {{.remote = "239.1.1.1", .options = "ttl 9", .group = true}}},
        group6{.devices = {{.remote = "ff05::101", .local = "fd08::1", .group = true}}};
    const Setup routed{.devices = {{.remote = "198.51.100.7"}},
                       .before = {"route add 198.51.100.0/24 via 192.0.2.4"}};
    const Bytes full = v4(B, A, {.size = 1500 - 28}),
                full_df = v4(B, A, {.df = true, .size = 1500 - 28}),
                full6 = v6(B, A, {.size = 1500 - 48});
    const auto in_fragments = [](const Bytes &frame) {
        std::vector<Out> out = fragments(to_wire(frame), 1480);
        out.push_back(access2(frame));
        return out;
    };
    const std::vector<Out> full_out = in_fragments(full);
    const Bytes first6 = behind(44, {17, 0, 0, 1, 0, 0, 0, 9}),
                options6 = behind(60, {58, 0, 1, 4, 0, 0, 0, 0, 128, 0, 0, 0}),
                ah6 = behind(51, {17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}),
                redirect6 = behind(58, {137, 0, 0, 0}), error6 = behind(58, {4, 0, 0, 0}),
                nothing6 = behind(59, {0, 0, 0, 0});
    const Bytes arp_to_host =
        arp(broadcast, B, {.sender_mac = B, .sender = "10.20.1.3", .target = "10.20.1.1"});
    const Bytes arp_of_host = arp(B, device_mac,
                                  {.operation = 2,
                                   .sender_mac = device_mac,
                                   .sender = "10.20.1.1",
                                   .target_mac = B,
                                   .target = "10.20.1.3"});
    const Bytes ping_to_host = ping(8, device_mac, B, "10.20.1.1", "10.20.1.3");
    const Bytes pong = ping(0, B, device_mac, "10.20.1.3", "10.20.1.1");
    Setup host = on_host();

    return {
        {"network",
         "local_bypass",
         two(43),
         {entry(B, "dst 192.0.2.1 vni 43"), cross(plain, {access2(plain)})}},
        {"network",
         "local_bypass_flood",
         two(43),
         {table(append + "192.0.2.1 vni 43"), cross(all, {wire(all), access2(all)})}},
        {"network",
         "local_bypass_unknown_vni",
         two(43),
         {entry(B, "dst 192.0.2.1 vni 99"), cross(plain, {})}},
        {"network",
         "local_bypass_own_vni",
         {},
         {entry(B, "dst 192.0.2.1"), cross(plain, {access2(plain), access(plain), access2(plain)})},
         "a frame never goes back into the VNI it came from",
         {entry(B, "dst 192.0.2.1"), cross(plain, {access2(plain)})}},
        {"network",
         "two_vnis_apart",
         two(43),
         {cross(all, {wire(all)}), send(Side::access2, all, {wire(all, {.vni = 43})}),
          send(Side::wire, from_wire(back), {access(back)}),
          send(Side::wire, from_wire(back, {.vni = 43}), {access2(back)})}},
        {"network",
         "two_vnis_learn_apart",
         two(43),
         {cross(all, {wire(all)}), send(Side::access2, all, {wire(all, {.vni = 43})}),
          send(Side::wire, from_wire(back, {.remote = 3}), {access(back)}),
          send(Side::wire, from_wire(back, {.remote = 4, .vni = 43}), {access2(back)}),
          cross(plain, {wire(plain, {.remote = 3})}),
          send(Side::access2, plain, {wire(plain, {.remote = 4, .vni = 43})})}},
        {"network",
         "two_ports_same_vni",
         two(42, 8472),
         {cross(all, {wire(all)}), send(Side::access2, all, {wire(all, {.port = 8472})}),
          send(Side::wire, from_wire(back), {access(back)}),
          send(Side::wire, from_wire(back, {.port = 8472}), {access2(back)})}},
        {"network",
         "two_ports_vnis_apart",
         two(43, 8472),
         {send(Side::wire, from_wire(back, {.vni = 43})),
          send(Side::wire, from_wire(back, {.port = 8472})),
          send(Side::wire, from_wire(back, {.vni = 43, .port = 8472}), {access2(back)})}},
        {"network",
         "from_one_vni_into_another",
         {.devices = {{}, {.name = "vxlan1", .vni = 43}}},
         {send(Side::wire, from_wire(v4(broadcast, B)),
               {access(v4(broadcast, B)), access2(v4(broadcast, B)),
                wire(v4(broadcast, B), {.vni = 43})})}},

        {"network",
         "route_through_a_gateway",
         routed,
         {cross(plain, {access2(plain), {Side::wire, far(plain, 4)}})}},
        {"network",
         "route_changes",
         routed,
         {cross(plain, {access2(plain), {Side::wire, far(plain, 4)}}),
          sut("ip route replace 198.51.100.0/24 via 192.0.2.5"), pause(1200),
          cross(plain, {access2(plain), {Side::wire, far(plain, 5)}})}},
        {"network",
         "route_gone",
         routed,
         {cross(plain, {access2(plain), {Side::wire, far(plain, 4)}}),
          sut("ip route del 198.51.100.0/24"), pause(1200), cross(plain, {access2(plain)})}},
        {"network",
         "neighbour_changes",
         {},
         {cross(plain, {access2(plain), wire(plain)}),
          sut("ip neigh replace 192.0.2.2 lladdr 02:22:00:00:00:03 dev u0 nud permanent"),
          pause(1200),
          cross(plain, {access2(plain),
                        {Side::wire,
                         [&] {
                             Bytes frame = to_wire(plain);
                             frame[5] = 3;
                             return frame;
                         }()}})}},
        {"network",
         "unresolvable_remote_hurts_no_other",
         {},
         {table(append + "192.0.2.99"), table(append + "192.0.2.3"),
          cross(all, {access2(all), wire(all), wire(all, {.remote = 3})})}},
        {"network",
         "unroutable_remote_hurts_no_other",
         {},
         {table(append + "198.51.100.7"), table(append + "192.0.2.3"),
          cross(all, {access2(all), wire(all), wire(all, {.remote = 3})})}},
        {"network",
         "device_down",
         {},
         {sut("ip link set vxlan0 down"), cross(all, {access2(all)}),
          send(Side::wire, from_wire(back)), sut("ip link set vxlan0 up"),
          cross(all, {access2(all), wire(all)}),
          send(Side::wire, from_wire(back), {access(back)})}},
        {"network",
         "bridge_port_removed",
         {},
         {sut("ip link set vxlan0 nomaster"), cross(all, {access2(all)}),
          send(Side::wire, from_wire(back)), sut("ip link set vxlan0 master br0"),
          cross(all, {access2(all), wire(all)})}},
        {"network",
         "bridge_learns_the_port",
         {},
         {send(Side::wire, from_wire(back), flooded(back)), cross(plain, {wire(plain)})}},
        {"network",
         "bridge_port_isolated",
         {},
         {sut("bridge link set dev vxlan0 isolated on"), sut("bridge link set dev c0 isolated on"),
          cross(all, {access2(all)}),
          send(Side::wire, from_wire(v4(broadcast, B)), {access2(v4(broadcast, B))})}},
        {"network",
         "bridge_flood_off",
         {},
         {sut("bridge link set dev vxlan0 flood off"), cross(plain, {access2(plain)}),
          cross(all, {access2(all), wire(all)})}},
        {"network",
         "bridge_neigh_suppress_answers",
         {},
         {sut("bridge link set dev vxlan0 neigh_suppress on"),
          sut(std::string("bridge fdb add ") + B + " dev vxlan0 master static"),
          sut(std::string("ip neigh add 10.20.1.3 lladdr ") + B + " dev br0 nud permanent"),
          cross(arp(broadcast, A),
                {access2(arp(broadcast, A)), access(arp(A, B,
                                                        {.operation = 2,
                                                         .sender_mac = B,
                                                         .sender = "10.20.1.3",
                                                         .target_mac = A,
                                                         .target = "10.20.1.2"}))})}},
        {"network",
         "bridge_neigh_suppress_lets_unknown_through",
         {},
         {sut("bridge link set dev vxlan0 neigh_suppress on"),
          cross(arp(broadcast, A), {access2(arp(broadcast, A)), wire(arp(broadcast, A))})}},
        {"network",
         "host_answers_arp",
         host,
         {sut("ip addr add 10.20.1.1/24 dev vxlan0"),
          send(Side::wire, from_wire(arp_to_host, {.remote = 3}),
               {at_host(arp_to_host), wire(arp_of_host, {.remote = 3})})}},
        {"network",
         "host_answers_ping",
         host,
         {sut("ip addr add 10.20.1.1/24 dev vxlan0"),
          sut(std::string("ip neigh add 10.20.1.3 lladdr ") + B + " dev vxlan0 nud permanent"),
          send(Side::wire, from_wire(ping_to_host, {.remote = 3}),
               {at_host(ping_to_host), wire(pong, {.remote = 3})})}},

        {"network",
         "group_broadcast",
         group,
         {cross(all, {access2(all), {Side::wire, to_group(all)}})}},
        {"network",
         "group_unknown_unicast",
         group,
         {cross(plain, {access2(plain), {Side::wire, to_group(plain)}})}},
        {"network",
         "group_ttl",
         group_ttl,
         {cross(all, {access2(all), {Side::wire, to_group(all, 9)}})}},
        {"network", "group_received", group, {send(Side::wire, from_group(back), flooded(back))}},
        {"network",
         "group_learned",
         group,
         {cross(all, {access2(all), {Side::wire, to_group(all)}}),
          send(Side::wire, from_group(back), {access(back)}),
          cross(plain, {wire(plain, {.remote = 3})})}},
        {"network",
         "group_own_echo_dropped",
         group,
         {send(Side::wire, from_group(back, "192.0.2.1"))}},
        {"network",
         "group_unicast_received",
         group,
         {send(Side::wire, from_wire(back), flooded(back))}},
        {"network",
         "group_and_a_default",
         group,
         {table(append + "192.0.2.3"),
          cross(all, {access2(all), {Side::wire, to_group(all)}, wire(all, {.remote = 3})})}},
        {"network",
         "group6_broadcast",
         group6,
         {cross(all, {access2(all), {Side::wire, to_group6(all)}})}},
        {"network",
         "group6_received",
         group6,
         {send(Side::wire, from_group6(back), flooded(back))}},

        {"network",
         "pmtu_answered",
         big,
         {cross(full_df, {access2(full_df), access(fragmentation_needed(full_df, 1450))})}},
        {"network",
         "pmtu_answered_known",
         big,
         {entry(B, "dst 192.0.2.3"),
          cross(full_df, {access2(full_df), access(fragmentation_needed(full_df, 1450))})}},
        {"network",
         "pmtu_answered_ipv6",
         big,
         {cross(full6, {access2(full6), access(packet_too_big(full6, 1450))})}},
        {"network",
         "pmtu_ipv6_first_fragment_answered",
         big,
         {cross(first6, {access2(first6), access(packet_too_big(first6, 1450))})}},
        {"network",
         "pmtu_ipv6_behind_options_answered",
         big,
         {cross(options6, {access2(options6), access(packet_too_big(options6, 1450))})}},
        {"network",
         "pmtu_ipv6_behind_authentication_answered",
         big,
         {cross(ah6, {access2(ah6), access(packet_too_big(ah6, 1450))})}},
        {"network",
         "pmtu_ipv6_redirect_fragmented",
         big,
         {cross(redirect6, in_fragments(redirect6))}},
        {"network", "pmtu_ipv6_error_fragmented", big, {cross(error6, in_fragments(error6))}},
        {"network",
         "pmtu_ipv6_no_next_header_fragmented",
         big,
         {cross(nothing6, in_fragments(nothing6))}},
        {"network",
         "pmtu_answered_underlay6",
         big6,
         {cross(full_df, {access2(full_df), access(fragmentation_needed(full_df, 1430))})}},
        {"network",
         "pmtu_answered_underlay6_ipv6",
         big6,
         {cross(full6, {access2(full6), access(packet_too_big(full6, 1430))})}},
        {"network",
         "pmtu_fits_exactly",
         big,
         {cross(v4(B, A, {.df = true, .size = 1450 - 28}),
                {access2(v4(B, A, {.df = true, .size = 1450 - 28})),
                 wire(v4(B, A, {.df = true, .size = 1450 - 28}))})}},
        {"network", "pmtu_without_df_fragmented", big, {cross(full, full_out)}},
        {"network", "pmtu_without_df_outer_df_set", big_df, {cross(full, {access2(full)})}},
        {"network",
         "pmtu_outer_df_set_answered",
         big_df,
         {cross(full_df, {access2(full_df), access(fragmentation_needed(full_df, 1450))})}},
        {"network",
         "pmtu_of_the_route",
         {.before = {"route add 192.0.2.2/32 dev u0 mtu 1400"}},
         {pause(1100), // what was remembered of the route before is a second old
          cross(v4(B, A, {.df = true, .size = 1400 - 28}),
                {access2(v4(B, A, {.df = true, .size = 1400 - 28})),
                 access(fragmentation_needed(v4(B, A, {.df = true, .size = 1400 - 28}), 1350))})}},
    };
}

} // namespace xvtep::conformance
