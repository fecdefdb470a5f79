// SPDX-License-Identifier: GPL-2.0-only
// Where a frame from the overlay goes, and what goes with it.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

// Flows that differ in the inner UDP ports, all to the default.
std::vector<Bytes> flows(unsigned count, bool ipv6 = false, std::optional<unsigned> vlan = {})
{
    std::vector<Bytes> frames;
    for (unsigned i = 0; i < count; i++)
        frames.push_back(ipv6 ? v6(B, A, {.port = 100 + i, .vlan = vlan})
                              : v4(B, A, {.port = 100 + i, .vlan = vlan}));
    return frames;
}

Step flood_of(const std::vector<Bytes> &frames)
{
    std::vector<Out> out;
    for (const Bytes &frame : frames) {
        out.push_back(wire(frame));
        out.push_back(access2(frame));
    }
    return send_all(Side::access, frames, out);
}

// From the access port: to the VTEP and, where the bridge does not know the address, its other
// port.
Step out(const Bytes &frame, std::vector<Out> wires)
{
    wires.push_back(access2(frame));
    return send(Side::access, frame, std::move(wires));
}

// With another IP version in the header than the type says; an IPv4 checksum stays right.
Bytes malformed(Bytes frame)
{
    if (frame[12] == 0x08)
        frame[24] = static_cast<std::uint8_t>(frame[24] + 0x10);
    frame[14] = static_cast<std::uint8_t>(frame[14] - 0x10);
    return frame;
}

// Three tags in the packet.
Bytes tagged_thrice()
{
    Bytes inner;
    for (const unsigned word : {0x0064, 0x8100, 0x00c8, 0x8100, 0x012c, 0x0800})
        put16(inner, word);
    put(inner, Ipv4{.tos = 1} / (Udp{.dst = 7} / payload(32)));
    return Ether{.dst = B, .src = A, .type = 0x8100} / inner;
}

Bytes tagged_twice()
{
    Bytes inner;
    put16(inner, 0x0064);
    put16(inner, 0x8100);
    put16(inner, 0x00c8);
    put16(inner, 0x0800);
    put(inner, Ipv4{} / (Udp{.dst = 7} / payload(32)));
    return Ether{.dst = B, .src = A, .type = 0x88a8} / inner;
}

} // namespace

std::vector<Case> encap_cases()
{
    const Bytes unicast = v4(B, A), all = v4(broadcast, A), group = v4(multicast, A);
    const std::string add_b = std::string("fdb add ") + B + " dev vxlan0 dst 192.0.2.3";
    const std::string zero = "fdb append 00:00:00:00:00:00 dev vxlan0 dst ";
    const Step three[] = {table(zero + "192.0.2.3"), table(zero + "192.0.2.4")};
    const auto everywhere = [](const Bytes &frame) -> std::vector<Out> {
        return {wire(frame), wire(frame, {.remote = 3}), wire(frame, {.remote = 4})};
    };
    const std::string group_entry = "fdb append 01:00:5e:01:02:03 dev vxlan0 dst ";
    const std::string default_line = "00:00:00:00:00:00 dst 192.0.2.2 via u0 self permanent";

    // Four bytes more than the underlay takes.
    const Bytes full_tagged = v4(B, A, {.vlan = 5, .size = 1450 - 28});
    std::vector<Out> tagged_out = fragments(to_wire(full_tagged), 1480);
    tagged_out.push_back(access2(full_tagged));

    std::vector<Case> list{
        {"encap", "unicast_to_default", {}, {out(unicast, {wire(unicast)})}},
        {"encap",
         "unicast_to_known",
         {},
         {table(add_b), out(unicast, {wire(unicast, {.remote = 3})})}},
        {"encap", "broadcast", {}, {out(all, {wire(all)})}},
        {"encap", "multicast_mac", {}, {out(group, {wire(group)})}},
        {"encap", "arp_request", {}, {out(arp(broadcast, A), {wire(arp(broadcast, A))})}},
        {"encap", "ipv6_inner", {}, {out(v6(B, A), {wire(v6(B, A))})}},
        {"encap", "unknown_without_default", without_remote(), {out(unicast, {})}},
        {"encap", "broadcast_without_default", without_remote(), {out(all, {})}},
        {"encap",
         "known_without_default",
         without_remote(),
         {table(add_b), out(unicast, {wire(unicast, {.remote = 3})})}},
        {"encap",
         "unknown_to_three_defaults",
         {},
         {three[0], three[1], out(unicast, everywhere(unicast))}},
        {"encap",
         "broadcast_to_three_defaults",
         {},
         {three[0], three[1], out(all, everywhere(all))}},
        {"encap",
         "known_to_one_of_three",
         {},
         {three[0], three[1], table(add_b), out(unicast, {wire(unicast, {.remote = 3})}),
          out(v4(C, A), everywhere(v4(C, A)))}},
        {"encap",
         "default_removed_from_three",
         {},
         {three[0], three[1], table("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"),
          out(all, {wire(all), wire(all, {.remote = 4})})}},
        {"encap",
         "default_removed",
         {},
         {table("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.2 via u0"), out(all, {}),
          fdb_is({})}},
        {"encap",
         "default_removed_whole",
         {},
         {table("fdb del 00:00:00:00:00:00 dev vxlan0"), out(all, {}), fdb_is({})}},
        {"encap",
         "default_removed_without_its_via",
         {},
         {table("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.2"), out(all, {wire(all)})},
         "the kernel answers 0 and does nothing without `via`; xvtep deletes what is named",
         {table("fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.2"), out(all, {})}},
        {"encap",
         "default_added_later",
         without_remote(),
         {out(all, {}), table(zero + "192.0.2.3"), out(all, {wire(all, {.remote = 3})})}},
        {"encap",
         "default_replace_refused",
         {},
         {refused("fdb replace 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"), out(all, {wire(all)})},
         "replace puts one destination in place of all, of the default entry too",
         {table("fdb replace 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"),
          out(all, {wire(all, {.remote = 3})})}},
        {"encap",
         "default_with_port_and_vni",
         {},
         {table(zero + "192.0.2.3 port 8472 vni 77"),
          out(all, {wire(all), wire(all, {.remote = 3, .vni = 77, .port = 8472})})}},
        {"encap",
         "entry_vni",
         {},
         {table(add_b + " vni 77"), out(unicast, {wire(unicast, {.remote = 3, .vni = 77})})}},
        {"encap",
         "entry_port",
         {},
         {table(add_b + " port 8472"), out(unicast, {wire(unicast, {.remote = 3, .port = 8472})})}},
        {"encap",
         "entry_via",
         {},
         {table(add_b + " via u0"), out(unicast, {wire(unicast, {.remote = 3})}),
          fdb_is({default_line, std::string(B) + " dst 192.0.2.3 via u0 self permanent"})}},
        {"encap", "entry_via_unknown_device_refused", {}, {refused(add_b + " via nosuch0")}},
        {"encap",
         "entry_replaced",
         {},
         {table(add_b), table(std::string("fdb replace ") + B + " dev vxlan0 dst 192.0.2.4"),
          out(unicast, {wire(unicast, {.remote = 4})})}},
        {"encap",
         "entry_deleted",
         {},
         {table(add_b), table(std::string("fdb del ") + B + " dev vxlan0"),
          out(unicast, {wire(unicast)}), fdb_is({default_line})}},
        {"encap", "entry_twice_refused", {}, {table(add_b), refused(add_b)}},
        {"encap",
         "entry_delete_absent_refused",
         {},
         {refused(std::string("fdb del ") + B + " dev vxlan0")}},
        {"encap",
         "entry_of_other_family_refused",
         {},
         {refused(std::string("fdb add ") + B + " dev vxlan0 dst fd08::3"),
          out(unicast, {wire(unicast)})}},
        {"encap",
         "entry_static_line",
         {},
         {table(add_b + " static"),
          fdb_is({default_line, std::string(B) + " dst 192.0.2.3 self static"})}},
        {"encap",
         "append_to_unicast",
         {},
         {table(add_b), table(std::string("fdb append ") + B + " dev vxlan0 dst 192.0.2.4"),
          out(unicast, {wire(unicast, {.remote = 3})})},
         "a second destination of a unicast MAC is refused; the kernel accepts the command and "
         "does nothing",
         {table(add_b), refused(std::string("fdb append ") + B + " dev vxlan0 dst 192.0.2.4"),
          out(unicast, {wire(unicast, {.remote = 3})})}},
        {"encap",
         "multicast_entry",
         {},
         {table(group_entry + "192.0.2.3"), out(group, {wire(group, {.remote = 3})}),
          out(all, {wire(all)})}},
        {"encap",
         "multicast_entry_with_two",
         {},
         {table(group_entry + "192.0.2.3"), table(group_entry + "192.0.2.4"),
          out(group, {wire(group, {.remote = 3}), wire(group, {.remote = 4})})}},
        {"encap",
         "multicast_entry_one_deleted",
         {},
         {table(group_entry + "192.0.2.3"), table(group_entry + "192.0.2.4"),
          table("fdb del 01:00:5e:01:02:03 dev vxlan0 dst 192.0.2.3"),
          out(group, {wire(group, {.remote = 4})})}},
        {"encap",
         "broadcast_entry",
         {},
         {table("fdb add ff:ff:ff:ff:ff:ff dev vxlan0 dst 192.0.2.3"),
          out(all, {wire(all, {.remote = 3})}), out(unicast, {wire(unicast)})}},
        {"encap",
         "vlan_tag_kept",
         {},
         {out(v4(B, A, {.vlan = 100}), {wire(v4(B, A, {.vlan = 100}))})}},
        {"encap",
         "vlan_priority_kept",
         {},
         {out(v4(B, A, {.vlan = 0xa064}), {wire(v4(B, A, {.vlan = 0xa064}))})}},
        {"encap", "vlan_tags_two_kept", {}, {out(tagged_twice(), {wire(tagged_twice())})}},
        {"encap",
         "vlan_same_entry_as_untagged",
         {},
         {table(add_b),
          out(v4(B, A, {.vlan = 100}), {wire(v4(B, A, {.vlan = 100}), {.remote = 3})})}},
        {"encap", "not_ip", {}, {out(other(B, A), {wire(other(B, A))})}},
        {"encap", "ethernet_header_alone", {}, {out(other(B, A, 0), {wire(other(B, A, 0))})}},
        {"encap", "one_byte_payload", {}, {out(other(B, A, 1), {wire(other(B, A, 1))})}},
        {"encap", "truncated_ip_header", {}, {out(Ether{.dst = B, .src = A} / payload(6), {})}},
        {"encap",
         "largest",
         {},
         {out(v4(B, A, {.size = 1450 - 28}), {wire(v4(B, A, {.size = 1450 - 28}))})}},
        // A bridge allows for a VLAN tag, tagged or not.
        {"encap",
         "larger_than_device_mtu",
         {},
         {send(Side::access, v4(B, A, {.size = 1455 - 28}),
               {access2(v4(B, A, {.size = 1455 - 28}))})}},
        {"encap", "largest_tagged", {}, {send(Side::access, full_tagged, tagged_out)}},
        {"encap",
         "jumbo",
         {.underlay_mtu = 9000},
         {out(v4(B, A, {.size = 1472}), {wire(v4(B, A, {.size = 1472}))})}},
        {"encap",
         "port_other",
         {.devices = {{.dstport = 8472}}},
         {out(unicast, {wire(unicast, {.port = 8472})})}},
        {"encap",
         "vni_largest",
         {.devices = {{.vni = 16777215}}},
         {out(unicast, {wire(unicast, {.vni = 16777215})})}},
        {"encap",
         "vni_zero_header_bits",
         {.devices = {{.vni = 1}}},
         {out(unicast, {wire(unicast, {.vni = 1})})}},
        {"encap",
         "from_host_three_tags",
         on_host(),
         {send(Side::host, tagged_thrice(), {wire(tagged_thrice(), {.tos = 1})})}},
        {"encap", "from_host", on_host(), {send(Side::host, unicast, {wire(unicast)})}},
        {"encap",
         "from_host_known",
         on_host(),
         {table(add_b), send(Side::host, unicast, {wire(unicast, {.remote = 3})})}},
        {"encap",
         "from_host_flood",
         on_host(),
         {three[0], three[1], send(Side::host, all, everywhere(all))}},
        {"encap", "underlay6_default", with6(), {out(unicast, {wire6(unicast)})}},
        {"encap",
         "underlay6_known",
         with6(),
         {table(std::string("fdb add ") + B + " dev vxlan0 dst fd08::3"),
          out(unicast, {wire6(unicast, {.remote = 3})})}},
        {"encap",
         "underlay6_flood",
         with6(),
         {table(zero + "fd08::3"), out(all, {wire6(all), wire6(all, {.remote = 3})})}},
        {"encap", "underlay6_inner6", with6(), {out(v6(B, A), {wire6(v6(B, A))})}},
        {"encap", "underlay6_entry_of_other_family_refused", with6(), {refused(add_b)}},
        {"encap",
         "source_port_in_range",
         {},
         {flood_of(flows(8)), ports(1, 8), flood_of(flows(8, true)), ports(1, 8),
          flood_of(flows(8, false, 100)), ports(1, 8), flood_of({other(B, A), arp(broadcast, A)}),
          ports(1, 2)}},
        {"encap",
         "source_port_in_small_range",
         with("srcport 50000 50003"),
         {flood_of(flows(32)), ports(2, 4, 50000, 50003)}},
        {"encap",
         "source_port_same_for_a_flow",
         {},
         {flood_of({unicast, unicast, unicast}), ports(1, 1),
          flood_of({v4(B, A, {.ttl = 9, .size = 100}), v4(B, A, {.ttl = 77})}), ports(1, 1)}},
        {"encap",
         "source_port_same_for_a_flow_6",
         {},
         {flood_of({v6(B, A), v6(B, A), v6(B, A, {.size = 99})}), ports(1, 1)}},
        {"encap", "source_port_spread", {}, {flood_of(flows(32)), ports(16, 32)}},
        {"encap", "source_port_spread_6", {}, {flood_of(flows(32, true)), ports(16, 32)}},
        {"encap",
         "source_port_spread_tagged",
         {},
         {flood_of(flows(32, false, 100)), ports(1, 32)},
         "flows in a VLAN spread over the source ports as others do; the kernel's hash misses them",
         {flood_of(flows(32, false, 100)), ports(16, 32)}},
        {"encap",
         "source_port_same_for_all_copies",
         {},
         {three[0], three[1], out(all, everywhere(all)), ports(1, 1)}},
    };
    return list;
}

std::vector<Case> header_cases()
{
    std::vector<Case> list;
    const Bytes plain = v4(B, A), six = v6(B, A), who = arp(broadcast, A);
    const auto add = [&](const std::string &name, const Setup &setup, const Bytes &frame,
                         const Outer &outer) {
        const bool ipv6 = setup.devices.front().local.starts_with("fd");
        list.push_back({"header",
                        name,
                        setup,
                        {out(frame, {ipv6 ? wire6(frame, outer) : wire(frame, outer)})}});
    };
    add("ttl", with("ttl 10"), plain, {.ttl = 10});
    add("ttl_largest", with("ttl 255"), plain, {.ttl = 255});
    add("ttl_inherit", with("ttl inherit"), v4(B, A, {.ttl = 17}), {.ttl = 17});
    add("ttl_inherit_from_6", with("ttl inherit"), v6(B, A, {.ttl = 18}), {.ttl = 18});
    add("ttl_inherit_arp", with("ttl inherit"), who, {.ttl = 64});
    add("ttl_inherit_not_ip", with("ttl inherit"), other(B, A), {.ttl = 64});
    add("ttl_not_inherited_by_default", {}, v4(B, A, {.ttl = 3}), {});
    add("tos", with("tos 0x20"), plain, {.tos = 32});
    add("tos_digits_are_hexadecimal", with("tos 20"), plain, {.tos = 32});
    add("tos_not_taken_by_default", {}, v4(B, A, {.tos = 0xb8}), {});
    add("tos_keeps_inner_ecn", with("tos 0x20"), v4(B, A, {.tos = 0x02}), {.tos = 34});
    add("tos_inherit", with("tos inherit"), v4(B, A, {.tos = 0xb8}), {.tos = 0xb8});
    add("tos_inherit_ecn", with("tos inherit"), v4(B, A, {.tos = 0xb9}), {.tos = 0xb9});
    add("tos_inherit_ce", with("tos inherit"), v4(B, A, {.tos = 0xbb}), {.tos = 0xba});
    add("tos_inherit_from_6", with("tos inherit"), v6(B, A, {.tos = 0xb8}), {.tos = 0xb8});
    add("tos_inherit_arp", with("tos inherit"), who, {});
    add("tos_arp", with("tos 0x20"), who, {.tos = 32});
    // Whatever the version in the header says, its second octet is copied.
    add("tos_inherit_malformed", with("tos inherit"), malformed(v4(B, A, {.tos = 0xb9})),
        {.tos = 0xb9});
    add("ecn_malformed_6", {}, malformed(v6(B, A, {.tos = 1})), {.tos = 1});
    add("df_set", with("df set"), plain, {.df = true});
    add("df_unset", with("df unset"), v4(B, A, {.df = true}), {});
    add("df_inherit_set", with("df inherit"), v4(B, A, {.df = true}), {.df = true});
    add("df_inherit_unset", with("df inherit"), plain, {});
    add("df_inherit_from_6", with("df inherit"), six, {.df = true});
    add("df_inherit_arp", with("df inherit"), who, {});
    add("df_set_arp", with("df set"), who, {.df = true});
    add("udpcsum", with("udpcsum"), plain, {.sum = true});
    add("udpcsum_odd_length", with("udpcsum"), v4(B, A, {.size = 33}), {.sum = true});
    add("udpcsum_tagged", with("udpcsum"), v4(B, A, {.vlan = 100}), {.sum = true});
    add("udpcsum_not_ip", with("udpcsum"), other(B, A, 1), {.sum = true});
    add("udpcsum_largest", with("udpcsum"), v4(B, A, {.size = 1450 - 28}), {.sum = true});
    // A sum that only the kernel can compute: all copies must leave.
    const Bytes sctp = Ether{.dst = multicast, .src = A} / (Ipv4{.proto = 132} / payload(32));
    const std::string entry = "fdb append 01:00:5e:01:02:03 dev vxlan0 dst 192.0.2.";
    list.push_back({"header",
                    "udpcsum_sctp_to_two",
                    with("udpcsum"),
                    {table(entry + "3"), table(entry + "4"),
                     out(sctp, {wire(sctp, {.remote = 3, .sum = true}),
                                wire(sctp, {.remote = 4, .sum = true})})}});
    add("underlay6_ttl", with6("ttl 10"), plain, {.ttl = 10});
    add("underlay6_ttl_inherit", with6("ttl inherit"), v4(B, A, {.ttl = 19}), {.ttl = 19});
    add("underlay6_tos", with6("tos 0x20"), plain, {.tos = 32});
    add("underlay6_tos_inherit", with6("tos inherit"), v4(B, A, {.tos = 0xb8}), {.tos = 0xb8});
    add("underlay6_flowlabel", with6("flowlabel 74565"), plain, {.label = 0x12345});
    add("underlay6_checksum_odd_length", with6(), v4(B, A, {.size = 33}), {});
    add("underlay6_zero_checksum", with6("udp6zerocsumtx"), plain, {.no_sum6 = true});
    add("underlay6_largest", with6(), v4(B, A, {.size = 1430 - 28}), {});

    // RFC 6040 4.1 as Linux does it: a mark already there is not copied outside.
    static const char *const code[] = {"not_ect", "ect1", "ect0", "ce"};
    for (const bool inner6 : {false, true})
        for (unsigned ecn = 0; ecn < 4; ecn++)
            add(std::string("ecn_") + code[ecn] + (inner6 ? "_from_6" : ""), {},
                inner6 ? v6(B, A, {.tos = ecn}) : v4(B, A, {.tos = ecn}),
                {.tos = ecn == 3 ? 2 : ecn});
    for (unsigned ecn = 1; ecn < 4; ecn++)
        add(std::string("ecn_") + code[ecn] + "_underlay6", with6(), v4(B, A, {.tos = ecn}),
            {.tos = ecn == 3 ? 2 : ecn});
    return list;
}

} // namespace xvtep::conformance
