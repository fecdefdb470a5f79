// SPDX-License-Identifier: GPL-2.0-only
// What the source addresses of received frames teach, and for how long.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

const std::string default_line = "00:00:00:00:00:00 dst 192.0.2.2 via u0 self permanent";

std::string entry(const char *mac, unsigned remote, const std::string &more = "")
{
    return std::string(mac) + " dst " + endpoint(remote) + " self" + more;
}

// The bridge knows A at the access port afterwards.
Step settle_a()
{
    const Bytes frame = v4(broadcast, A);
    return send(Side::access, frame, {wire(frame), access2(frame)});
}
// From `mac` behind `remote`, to A.
Step hear(const char *mac, unsigned remote)
{
    return send(Side::wire, from_wire(v4(A, mac), {.remote = remote}), {access(v4(A, mac))});
}
Step hear_nothing(const char *mac, unsigned remote)
{
    return send(Side::wire, from_wire(v4(A, mac), {.remote = remote}));
}
// From A to `mac`, which the bridge has seen on the VTEP's port.
Step goes_to(const char *mac, unsigned remote)
{
    return send(Side::access, v4(mac, A), {wire(v4(mac, A), {.remote = remote})});
}

// The kernel's device (xvtep's has the entries, too) looks for aged ones each ten seconds, and at
// once when the time is changed.
std::vector<Step> look()
{
    return {sut("ip link set vxlan0 type vxlan ageing 3"),
            sut("ip link set vxlan0 type vxlan ageing 2"), pause(50)};
}

std::vector<Step> join(const std::vector<std::vector<Step>> &parts)
{
    std::vector<Step> all;
    for (const auto &part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

} // namespace

std::vector<Case> learning_cases()
{
    const std::string add_b = std::string("fdb add ") + B + " dev vxlan0 dst 192.0.2.3";
    const Bytes from_b6 = v4(A, B), to_b6 = v4(B, A);
    Bytes cut = from_b6;
    cut.resize(14 + 19);
    return {
        {"learning",
         "learned_and_used",
         {},
         {settle_a(), hear(B, 3), goes_to(B, 3), fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "from_broadcast",
         {},
         {send(Side::wire, from_wire(v4(broadcast, B), {.remote = 3}), flooded(v4(broadcast, B))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "from_arp",
         {},
         {send(Side::wire, from_wire(arp(broadcast, B), {.remote = 3}), flooded(arp(broadcast, B))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "from_not_ip",
         {},
         {send(Side::wire, from_wire(other(A, B), {.remote = 3}), flooded(other(A, B))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "from_tagged",
         {},
         {send(Side::wire, from_wire(v4(A, B, {.vlan = 100}), {.remote = 3}),
               flooded(v4(A, B, {.vlan = 100}))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "several",
         {},
         {settle_a(), hear(B, 3), hear(C, 3), hear(D, 4), goes_to(C, 3), goes_to(D, 4),
          fdb_is({default_line, entry(B, 3), entry(C, 3), entry(D, 4)})}},
        {"learning",
         "behind_the_default_remote",
         {},
         {settle_a(), hear(B, 2), goes_to(B, 2), fdb_is({default_line, entry(B, 2)})}},
        {"learning",
         "moved",
         {},
         {settle_a(), hear(B, 3), goes_to(B, 3), hear(B, 4), goes_to(B, 4),
          fdb_is({default_line, entry(B, 4)})}},
        {"learning",
         "moved_and_back",
         {},
         {settle_a(), hear(B, 3), hear(B, 4), hear(B, 3), goes_to(B, 3)}},
        {"learning",
         "permanent_entry_kept",
         {},
         {table(add_b), settle_a(), hear_nothing(B, 4), hear(B, 3), goes_to(B, 3),
          fdb_is({default_line, entry(B, 3, " permanent")})}},
        {"learning",
         "static_entry_kept",
         {},
         {table(add_b + " static"), settle_a(), hear_nothing(B, 4), hear(B, 3), goes_to(B, 3),
          fdb_is({default_line, entry(B, 3, " static")})}},
        {"learning",
         "static_entry_kept_from_fragments",
         {},
         {table(add_b), settle_a(),
          send_all(Side::wire, halves(from_wire(v4(A, B), {.remote = 4}), 48), {})}},
        {"learning",
         "dynamic_entry_moves",
         {},
         {table(add_b + " dynamic"), settle_a(), hear(B, 4), goes_to(B, 4),
          fdb_is({default_line, entry(B, 4)})}},
        {"learning",
         "nolearning",
         with("nolearning"),
         {settle_a(), hear(B, 3), goes_to(B, 2), fdb_is({default_line})}},
        {"learning",
         "nolearning_static_entry_not_looked_at",
         with("nolearning"),
         {table(add_b), settle_a(), hear(B, 4), goes_to(B, 3)}},
        {"learning",
         "deleted_by_hand",
         {},
         {settle_a(), hear(B, 3), table(std::string("fdb del ") + B + " dev vxlan0"),
          goes_to(B, 2)}},
        {"learning",
         "replaced_by_hand",
         {},
         {settle_a(), hear(B, 3),
          table(std::string("fdb replace ") + B + " dev vxlan0 dst 192.0.2.4"), goes_to(B, 4),
          hear_nothing(B, 3), fdb_is({default_line, entry(B, 4, " permanent")})}},
        {"learning",
         "multicast_source_not_learned",
         {},
         {send(Side::wire, from_wire(v4(A, multicast), {.remote = 3})), fdb_is({default_line})}},
        {"learning",
         "zero_source_does_not_touch_the_default",
         {},
         {send(Side::wire, from_wire(v4(A, zero_mac), {.remote = 3})), fdb_is({default_line})}},
        {"learning",
         "own_source_not_learned",
         {},
         {send(Side::wire, from_wire(v4(A, device_mac), {.remote = 3})), fdb_is({default_line})}},
        {"learning",
         "not_from_a_frame_without_vni_flag",
         {},
         {send(Side::wire, from_wire(v4(A, B), {.remote = 3, .flags = 0})),
          fdb_is({default_line})}},
        {"learning",
         "not_from_another_vni",
         {},
         {send(Side::wire, from_wire(v4(A, B), {.remote = 3, .vni = 43})), fdb_is({default_line})}},
        {"learning",
         "from_a_frame_that_ecn_drops",
         {},
         {send(Side::wire, from_wire(v4(A, B), {.remote = 3, .tos = 3})),
          fdb_is({default_line, entry(B, 3)})},
         "a frame that is dropped teaches nothing",
         {send(Side::wire, from_wire(v4(A, B), {.remote = 3, .tos = 3})), fdb_is({default_line})}},
        {"learning",
         "from_a_frame_cut_in_its_ip_header",
         {},
         {send(Side::wire, from_wire(cut, {.remote = 3})), fdb_is({default_line, entry(B, 3)})},
         "a frame that is dropped teaches nothing",
         {send(Side::wire, from_wire(cut, {.remote = 3})), fdb_is({default_line})}},
        {"learning",
         "source_port_not_learned",
         {},
         {settle_a(),
          send(Side::wire, from_wire(v4(A, B), {.remote = 3, .source_port = 8472}),
               {access(v4(A, B))}),
          goes_to(B, 3)}},
        {"learning",
         "port_of_the_device",
         {.devices = {{.dstport = 8472}}},
         {send(Side::access, v4(broadcast, A),
               {wire(v4(broadcast, A), {.port = 8472}), access2(v4(broadcast, A))}),
          send(Side::wire, from_wire(v4(A, B), {.remote = 3, .port = 8472}), {access(v4(A, B))}),
          send(Side::access, v4(B, A), {wire(v4(B, A), {.remote = 3, .port = 8472})})}},
        {"learning",
         "from_fragments",
         {},
         {send_all(Side::wire, halves(from_wire(v4(A, B), {.remote = 3}), 48), flooded(v4(A, B))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "from_ip_options",
         {},
         {send(Side::wire,
               Ether{.dst = sut_mac, .src = endpoint_mac(3)} /
                   (Ipv4{.src = endpoint(3), .dst = endpoint(1), .options = true} /
                    (Udp{} / vxlan({}, v4(A, B)))),
               flooded(v4(A, B))),
          fdb_is({default_line, entry(B, 3)})}},
        {"learning",
         "underlay6",
         with6(),
         {send(Side::wire, from_wire6(from_b6, {.remote = 3}), flooded(from_b6)),
          send(Side::access, to_b6, {wire6(to_b6, {.remote = 3})}),
          fdb_is({"00:00:00:00:00:00 dst fd08::2 via u0 self permanent",
                  std::string(B) + " dst fd08::3 self"})}},
        {"learning",
         "underlay6_moved",
         with6(),
         {send(Side::wire, from_wire6(from_b6, {.remote = 3}), flooded(from_b6)),
          send(Side::wire, from_wire6(v4(broadcast, B), {.remote = 4}), flooded(v4(broadcast, B))),
          send(Side::access, to_b6, {wire6(to_b6, {.remote = 4})})}},

        {"learning",
         "maxaddress_bounds_learning",
         with("maxaddress 3"),
         {settle_a(), hear(B, 3), hear(C, 3), hear(D, 3), goes_to(D, 2), goes_to(C, 3),
          fdb_is({default_line, entry(B, 3), entry(C, 3)})}},
        {"learning",
         "maxaddress_known_still_moves",
         with("maxaddress 2"),
         {settle_a(), hear(B, 3), hear(B, 4), goes_to(B, 4)}},
        {"learning",
         "maxaddress_refuses_a_command",
         with("maxaddress 2"),
         {table(add_b), refused(std::string("fdb add ") + C + " dev vxlan0 dst 192.0.2.3"),
          fdb_is({default_line, entry(B, 3, " permanent")})}},
        {"learning",
         "maxaddress_counts_learned_for_commands",
         with("maxaddress 2"),
         {settle_a(), hear(B, 3),
          refused(std::string("fdb add ") + C + " dev vxlan0 dst 192.0.2.3")}},
        {"learning",
         "maxaddress_room_after_delete",
         with("maxaddress 2"),
         {table(add_b), table(std::string("fdb del ") + B + " dev vxlan0"),
          table(std::string("fdb add ") + C + " dev vxlan0 dst 192.0.2.3")}},
        {"learning",
         "maxaddress_more_defaults_are_one_entry",
         with("maxaddress 1"),
         {table("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"), refused(add_b)}},

        {"learning", "aged_out", with("ageing 2"),
         join({{settle_a(), hear(B, 3), goes_to(B, 3), pause(2400)},
               look(),
               {goes_to(B, 2), fdb_is({default_line})}})},
        {"learning", "age_starts_again_at_reception", with("ageing 2"),
         join({{settle_a(), hear(B, 3), pause(1300), hear(B, 3), pause(1300)},
               look(),
               {goes_to(B, 3)}})},
        {"learning", "age_not_by_sending", with("ageing 2"),
         join({{settle_a(), hear(B, 3), pause(1300), goes_to(B, 3), pause(1100)},
               look(),
               {goes_to(B, 2)}})},
        {"learning", "permanent_and_static_do_not_age", with("ageing 2"),
         join({{table(add_b),
                table(std::string("fdb add ") + C + " dev vxlan0 dst 192.0.2.3 static"), settle_a(),
                hear(B, 3), hear(C, 3), pause(2400)},
               look(),
               {goes_to(B, 3), goes_to(C, 3)}})},
        {"learning", "dynamic_entry_ages", with("ageing 2"),
         join({{table(add_b + " dynamic"), settle_a(), pause(2400)},
               look(),
               {fdb_is({default_line})}})},
        {"learning",
         "ageing_0_is_forever",
         with("ageing 0"),
         {settle_a(), hear(B, 3), pause(1500), goes_to(B, 3)}},
    };
}

} // namespace xvtep::conformance
