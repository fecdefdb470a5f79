// SPDX-License-Identifier: GPL-2.0-only
// Group based policy: the packet's mark on one end, the header's group on the wire.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

constexpr std::uint32_t with_group = 0x88000000, dont_learn = 0x00400000, applied = 0x00080000;

Step goes(std::uint32_t mark, std::uint32_t flags)
{
    return send_marked(mark, v4(B, A), {wire(v4(B, A), {.flags = flags})});
}
Step comes(std::uint32_t flags, std::uint32_t mark)
{
    const Bytes frame = v4(device_mac, B);
    return send(Side::wire, from_wire(frame, {.flags = flags}), {at_host(frame, mark)});
}

} // namespace

std::vector<Case> gbp_cases()
{
    const Setup gbp = on_host("gbp");
    const Bytes frame = v4(device_mac, B);
    return {
        {"gbp", "mark_to_group", gbp, {goes(0x123, with_group | 0x123)}},
        {"gbp", "mark_to_group_largest", gbp, {goes(0xffff, with_group | 0xffff)}},
        {"gbp", "no_mark_no_flag", gbp, {goes(0, 0x08000000)}},
        {"gbp",
         "mark_with_dont_learn",
         gbp,
         {goes(0x123 | dont_learn, with_group | dont_learn | 0x123)}},
        {"gbp",
         "mark_with_policy_applied",
         gbp,
         {goes(0x123 | applied, with_group | applied | 0x123)}},
        {"gbp",
         "mark_with_both",
         gbp,
         {goes(0x1 | dont_learn | applied, with_group | dont_learn | applied | 0x1)}},
        {"gbp", "mark_of_other_bits_too", gbp, {goes(0xff000123, with_group | 0x123)}},
        {"gbp", "mark_of_other_bits_alone", gbp, {goes(0xff000000, with_group)}},
        {"gbp", "mark_ignored_without_gbp", on_host(), {goes(0x123, 0x08000000)}},
        {"gbp",
         "mark_on_each_copy",
         gbp,
         {table("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.0.2.3"),
          send_marked(7, v4(broadcast, A),
                      {wire(v4(broadcast, A), {.flags = with_group | 7}),
                       wire(v4(broadcast, A), {.remote = 3, .flags = with_group | 7})})}},
        {"gbp",
         "mark_to_a_known_remote",
         gbp,
         {table(std::string("fdb add ") + B + " dev vxlan0 dst 192.0.2.3"),
          send_marked(7, v4(B, A), {wire(v4(B, A), {.remote = 3, .flags = with_group | 7})})}},
        {"gbp", "group_to_mark", gbp, {comes(with_group | 0x123, 0x123)}},
        {"gbp", "group_to_mark_largest", gbp, {comes(with_group | 0xffff, 0xffff)}},
        {"gbp",
         "dont_learn_to_mark",
         gbp,
         {comes(with_group | dont_learn | 0x123, 0x123 | dont_learn)}},
        {"gbp",
         "policy_applied_to_mark",
         gbp,
         {comes(with_group | applied | 0x123, 0x123 | applied)}},
        {"gbp", "no_flag_no_mark", gbp, {comes(0x08000000, 0)}},
        {"gbp", "group_zero", gbp, {comes(with_group, 0)}},
        {"gbp", "group_without_flag", gbp, {comes(0x08000123, 0), comes(0x08000000, 0)}},
        {"gbp",
         "reserved_bit_beside_group",
         gbp,
         {send(Side::wire, from_wire(frame, {.flags = with_group | 0x04000123}))}},
        {"gbp",
         "undefined_group_bits",
         gbp,
         {send(Side::wire, from_wire(frame, {.flags = with_group | 0x00810123}),
               {at_host(frame, 0x123)})}},
        {"gbp",
         "dont_learn_and_learning",
         gbp,
         {comes(with_group | dont_learn | 0x123, 0x123 | dont_learn),
          fdb_is({"00:00:00:00:00:00 dst 192.0.2.2 via u0 self permanent",
                  std::string(B) + " dst 192.0.2.2 self"})}},
        {"gbp",
         "group_refused_without_gbp",
         on_host(),
         {send(Side::wire, from_wire(frame, {.flags = with_group | 0x123}))}},
        {"gbp",
         "through_a_bridge",
         with("gbp"),
         {send(Side::wire, from_wire(v4(A, B), {.flags = with_group | 0x123}), flooded(v4(A, B)))}},
        {"gbp",
         "underlay6",
         {.devices = {{.remote = "fd08::2", .local = "fd08::1", .options = "gbp", .bridge = ""}}},
         {send_marked(0x123, v4(B, A), {wire6(v4(B, A), {.flags = with_group | 0x123})}),
          send(Side::wire, from_wire6(frame, {.flags = with_group | 0x77}),
               {at_host(frame, 0x77)})}},
    };
}

} // namespace xvtep::conformance
