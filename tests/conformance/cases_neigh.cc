// SPDX-License-Identifier: GPL-2.0-only
// Answers in place of remote hosts (proxy), routers skipped (rsc), and what is reported as missing.
#include "tests/conformance/words.h"

namespace xvtep::conformance {
namespace {

// Hosts: 10.20.1.2 and fd20::2 are A's, 10.20.1.3 and fd20::3 are B's.
Bytes arp_reply_of_b()
{
    return arp(A, B,
               {.operation = 2,
                .sender_mac = B,
                .sender = "10.20.1.3",
                .target_mac = A,
                .target = "10.20.1.2"});
}

struct Nd {
    unsigned type = 135; // solicitation
    const char *src = "fd20::2";
    const char *dst = "ff02::1:ff00:3";
    const char *target = "fd20::3";
    const char *eth_dst = "33:33:ff:00:00:03";
    const char *eth_src = A;
    std::optional<const char *> option{A}; // source link-layer address
    unsigned hops = 255;
    std::uint32_t flags = 0;
    unsigned code = 0;
    unsigned option_type = 1;
    Bytes options{}; // in place of `option`
};
Bytes nd(const Nd &n)
{
    Bytes message;
    put8(message, n.type);
    put8(message, n.code);
    put16(message, 0);
    put32(message, n.flags);
    put(message, *Ip::parse(n.target));
    if (!n.options.empty()) {
        put(message, n.options);
    } else if (n.option) {
        put8(message, n.option_type);
        put8(message, 1);
        put(message, *Mac::parse(*n.option));
    }
    const unsigned sum = transport_checksum(*Ip::parse(n.src), *Ip::parse(n.dst), 58, message);
    message[2] = static_cast<std::uint8_t>(sum >> 8);
    message[3] = static_cast<std::uint8_t>(sum & 0xff);
    return Ether{.dst = n.eth_dst, .src = n.eth_src, .type = 0x86dd} /
           (Ipv6{.src = n.src, .dst = n.dst, .next = 58, .hops = n.hops} / message);
}
// B's advertisement to A: solicited and override.
Bytes advertisement(const char *to = A, bool router = false)
{
    return nd({.type = 136,
               .src = "fd20::3",
               .dst = "fd20::2",
               .eth_dst = to,
               .eth_src = B,
               .option = B,
               .flags = router ? 0xe0000000 : 0x60000000,
               .option_type = 2});
}

// The kernel's answer to a solicitation from ::, which has no address to go to.
Bytes advertisement_to_nobody()
{
    return nd({.type = 136,
               .src = "fd20::3",
               .dst = "::",
               .eth_dst = A,
               .eth_src = B,
               .option = B,
               .flags = 0x60000000,
               .option_type = 2});
}

Bytes advertisement_to_all()
{
    return nd({.type = 136,
               .src = "fd20::3",
               .dst = "ff02::1",
               .eth_dst = "33:33:00:00:00:01",
               .eth_src = B,
               .option = B,
               .flags = 0x20000000,
               .option_type = 2});
}

Step asks(const Bytes &question, const Bytes &answer)
{
    return send(Side::access, question, {access2(question), access(answer)});
}
// Neither answered nor let through.
Step swallowed(const Bytes &frame)
{
    return send(Side::access, frame, {access2(frame)});
}
Step crosses(const Bytes &frame, const Outer &o = {})
{
    return send(Side::access, frame, {access2(frame), wire(frame, o)});
}

} // namespace

std::vector<Case> neigh_cases()
{
    const Step know4 =
        table(std::string("neigh add 10.20.1.3 lladdr ") + B + " dev vxlan0 nud permanent");
    const Step know6 =
        table(std::string("neigh add fd20::3 lladdr ") + B + " dev vxlan0 nud permanent");
    const std::string add_b = std::string("fdb add ") + B + " dev vxlan0 dst 192.0.2.3";
    const Bytes who4 = arp(broadcast, A), who6 = nd({});
    const Setup proxy = with("proxy"), misses2 = without_remote("l2miss"),
                misses3 = with("proxy l3miss"), rsc = with("rsc");
    const Arp gratuitous{.sender = "10.20.1.2", .target = "10.20.1.2"};
    Bytes short_arp = who4;
    short_arp.resize(14 + 20);
    Bytes padded_arp = who4, cut_nd = who6;
    padded_arp.resize(60);
    cut_nd.resize(14 + 40 + 23);

    // A router R, its entry flagged, and B's address known.
    const char *const R = "02:00:00:00:00:0e";
    // Addresses that no other case misses: reports of one address are spaced.
    const char *const E = "02:00:00:00:00:1e", *const F = "02:00:00:00:00:1f";
    const std::string router = std::string("fdb add ") + R + " dev vxlan0 dst 192.0.2.4 router";
    const std::string no_router = std::string("fdb add ") + R + " dev vxlan0 dst 192.0.2.4";
    const auto rerouted = [&](const Bytes &frame, const Bytes &as, unsigned remote) {
        return send(Side::access, frame, {access2(frame), wire(as, {.remote = remote})});
    };

    std::vector<Case> list{
        {"neigh", "proxy_answers_arp", proxy, {know4, asks(who4, arp_reply_of_b())}},
        {"neigh", "proxy_answers_padded_arp", proxy, {know4, asks(padded_arp, arp_reply_of_b())}},
        {"neigh", "proxy_lets_a_cut_solicitation_through", proxy, {know6, crosses(cut_nd)}},
        {"neigh",
         "proxy_answers_arp_with_fdb_entry",
         proxy,
         {table(add_b), know4, asks(who4, arp_reply_of_b())}},
        {"neigh",
         "proxy_answers_unicast_arp",
         proxy,
         {know4, asks(arp(B, A, {.target_mac = B}), arp_reply_of_b())}},
        {"neigh",
         "proxy_answers_host",
         on_host("proxy"),
         {know4, send(Side::host, who4, {at_host(arp_reply_of_b())})}},
        {"neigh", "proxy_swallows_unknown_arp", proxy, {swallowed(who4)}},
        {"neigh",
         "proxy_swallows_arp_reply",
         proxy,
         {know4, swallowed(arp(B, A, {.operation = 2, .target_mac = B}))}},
        {"neigh",
         "proxy_swallows_gratuitous_arp",
         proxy,
         {know4, swallowed(arp(broadcast, A, gratuitous))}},
        {"neigh",
         "proxy_swallows_arp_probe",
         proxy,
         {know4, swallowed(arp(broadcast, A, {.sender = "0.0.0.0", .target = "10.20.1.9"}))}},
        {"neigh", "proxy_swallows_short_arp", proxy, {know4, swallowed(short_arp)}},
        {"neigh",
         "proxy_answers_probe_of_known",
         proxy,
         {know4, asks(arp(broadcast, A, {.sender = "0.0.0.0"}), arp(A, B,
                                                                    {.operation = 2,
                                                                     .sender_mac = B,
                                                                     .sender = "10.20.1.3",
                                                                     .target_mac = A,
                                                                     .target = "0.0.0.0"}))}},
        {"neigh",
         "proxy_lets_ipv4_through",
         proxy,
         {know4, crosses(v4(B, A)), crosses(v4(broadcast, A))}},
        {"neigh", "proxy_lets_ipv6_through", proxy, {know6, crosses(v6(B, A))}},
        {"neigh", "proxy_lets_others_through", proxy, {crosses(other(B, A))}},
        {"neigh",
         "proxy_not_towards_the_overlay",
         proxy,
         {know4, send(Side::wire, from_wire(arp(broadcast, C, {.sender_mac = C})),
                      flooded(arp(broadcast, C, {.sender_mac = C})))}},
        {"neigh",
         "proxy_tagged_arp_crosses",
         proxy,
         {know4,
          [&] {
              Bytes tagged = who4;
              const Bytes tag{0x81, 0x00, 0x00, 0x64};
              tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
              return crosses(tagged);
          }()}},
        {"neigh", "without_proxy_arp_crosses", {}, {know4, crosses(who4)}},
        {"neigh", "without_proxy_nd_crosses", {}, {know6, crosses(who6)}},
        {"neigh",
         "proxy_entry_deleted",
         proxy,
         {know4, asks(who4, arp_reply_of_b()), table("neigh del 10.20.1.3 dev vxlan0"),
          swallowed(who4)}},
        {"neigh",
         "proxy_entry_replaced",
         proxy,
         {know4,
          table(std::string("neigh replace 10.20.1.3 lladdr ") + C + " dev vxlan0 nud permanent"),
          asks(who4, arp(A, C,
                         {.operation = 2,
                          .sender_mac = C,
                          .sender = "10.20.1.3",
                          .target_mac = A,
                          .target = "10.20.1.2"}))}},
        {"neigh",
         "proxy_entry_twice_refused",
         proxy,
         {know4,
          refused(std::string("neigh add 10.20.1.3 lladdr ") + C + " dev vxlan0 nud permanent")}},
        {"neigh",
         "proxy_reachable_answers",
         proxy,
         {table(std::string("neigh add 10.20.1.3 lladdr ") + B + " dev vxlan0 nud reachable"),
          asks(who4, arp_reply_of_b())}},

        {"neigh", "nd_answered", proxy, {know6, asks(who6, advertisement())}},
        {"neigh",
         "nd_answered_to_the_option",
         proxy,
         {know6,
          send(Side::access, nd({.option = C}),
               {access2(nd({.option = C})), access2(advertisement(C)), access(advertisement(C))})}},
        {"neigh",
         "nd_answered_without_option",
         proxy,
         {know6, asks(nd({.option = {}}), advertisement())}},
        {"neigh",
         "nd_answered_unicast",
         proxy,
         {know6, asks(nd({.dst = "fd20::3", .eth_dst = B}), advertisement())}},
        {"neigh",
         "nd_router_flag",
         proxy,
         {table(add_b + " router"), know6, asks(who6, advertisement(A, true))}},
        {"neigh", "nd_no_router_flag", proxy, {table(add_b), know6, asks(who6, advertisement())}},
        {"neigh", "nd_unknown_swallowed", proxy, {swallowed(who6)}},
        {"neigh",
         "nd_option_of_no_length",
         proxy,
         {know6, swallowed(nd({.options = Bytes{1, 0, 2, 0, 0, 0, 0, 10}}))}},
        {"neigh",
         "nd_option_unknown_first",
         proxy,
         {know6, asks(nd({.options = Bytes{14, 1, 9, 9, 9, 9, 9, 9, 1, 1, 2, 0, 0, 0, 0, 10}}),
                      advertisement())}},
        {"neigh",
         "nd_advertisement_crosses",
         proxy,
         {know6, crosses(nd({.type = 136,
                             .src = "fd20::2",
                             .dst = "ff02::1",
                             .target = "fd20::2",
                             .eth_dst = "33:33:00:00:00:01",
                             .flags = 0x20000000,
                             .option_type = 2}))}},
        {"neigh",
         "nd_router_solicitation_crosses",
         proxy,
         {know6, crosses(nd({.type = 133, .dst = "ff02::2", .eth_dst = "33:33:00:00:00:02"}))}},
        {"neigh", "nd_code_not_zero_crosses", proxy, {know6, crosses(nd({.code = 1}))}},
        {"neigh",
         "nd_multicast_target_swallowed",
         proxy,
         {know6, swallowed(nd({.target = "ff02::1"}))}},
        {"neigh",
         "nd_hop_limit_not_255",
         proxy,
         {know6, asks(nd({.hops = 64}), advertisement())},
         "a solicitation whose hop limit is not 255 came through a router and is not answered "
         "(RFC 4861 7.1.1)",
         {know6, swallowed(nd({.hops = 64}))}},
        {"neigh",
         "nd_duplicate_address_detection",
         proxy,
         {know6, asks(nd({.src = "::", .option = {}}), advertisement_to_nobody())},
         "a solicitation from :: is answered to all nodes (RFC 4861 7.2.4); the kernel's answer "
         "goes "
         "to ::",
         {know6, send(Side::access, nd({.src = "::", .option = {}}),
                      {access2(nd({.src = "::", .option = {}})), access(advertisement_to_all()),
                       access2(advertisement_to_all())})}},
        {"neigh",
         "proxy_underlay6",
         {.devices = {device6("proxy")}},
         {know4, know6, asks(who4, arp_reply_of_b()), asks(who6, advertisement())}},

        {"neigh",
         "rsc_rewrites",
         rsc,
         {table(add_b), table(router), know4, rerouted(v4(R, A), v4(B, R), 3)}},
        {"neigh",
         "rsc_rewrites_ipv6",
         rsc,
         {table(add_b), table(router), know6, rerouted(v6(R, A), v6(B, R), 3)}},
        {"neigh",
         "rsc_ttl_left_alone",
         rsc,
         {table(add_b), table(router), know4,
          rerouted(v4(R, A, {.ttl = 5}), v4(B, R, {.ttl = 5}), 3)}},
        {"neigh",
         "rsc_target_without_entry_to_default",
         rsc,
         {table(router), know4, rerouted(v4(R, A), v4(B, R), 2)}},
        {"neigh", "rsc_no_neighbour", rsc, {table(router), rerouted(v4(R, A), v4(R, A), 4)}},
        {"neigh",
         "rsc_not_for_others",
         rsc,
         {table(no_router), table(add_b), know4, rerouted(v4(R, A), v4(R, A), 4)}},
        {"neigh",
         "rsc_off",
         {},
         {table(router), table(add_b), know4, rerouted(v4(R, A), v4(R, A), 4)}},
        {"neigh",
         "rsc_not_for_arp",
         rsc,
         {table(router), table(add_b), know4, rerouted(arp(R, A), arp(R, A), 4)}},
        {"neigh",
         "rsc_next_is_the_router_itself",
         rsc,
         {table(router),
          table(std::string("neigh add 10.20.1.3 lladdr ") + R + " dev vxlan0 nud permanent"),
          rerouted(v4(R, A), v4(R, A), 4)}},
        {"neigh",
         "rsc_and_proxy",
         with("rsc proxy"),
         {table(add_b), table(router), know4, asks(who4, arp_reply_of_b()),
          send(Side::access, v4(R, A), {access2(v4(R, A)), wire(v4(B, R), {.remote = 3})})}},

        {"neigh",
         "l2miss",
         misses2,
         {swallowed(v4(B, A)), misses({std::string("miss lladdr ") + B + " STALE"})}},
        {"neigh",
         "l2miss_each_address",
         misses2,
         {swallowed(v4(C, A)), swallowed(v4(D, A)),
          misses({std::string("miss lladdr ") + C + " STALE",
                  std::string("miss lladdr ") + D + " STALE"})}},
        {"neigh",
         "l2miss_of_a_device_made_anew",
         misses2,
         {swallowed(v4(E, A)), misses({std::string("miss lladdr ") + E + " STALE"}), anew(),
          swallowed(v4(E, A)), misses({std::string("miss lladdr ") + E + " STALE"})}},
        {"neigh", "l2miss_not_with_a_default", with("l2miss"), {crosses(v4(B, A)), misses({})}},
        {"neigh",
         "l2miss_not_with_an_entry",
         misses2,
         {table(add_b), crosses(v4(B, A), {.remote = 3}), misses({})}},
        {"neigh",
         "l2miss_not_for_multicast",
         misses2,
         {swallowed(v4(multicast, A)), swallowed(v4(broadcast, A)), misses({})}},
        {"neigh", "l2miss_off", without_remote(), {swallowed(v4(B, A)), misses({})}},
        {"neigh",
         "l2miss_answered_by_an_entry",
         misses2,
         {swallowed(v4(F, A)), misses({std::string("miss lladdr ") + F + " STALE"}),
          table(std::string("fdb add ") + F + " dev vxlan0 dst 192.0.2.3"),
          crosses(v4(F, A), {.remote = 3}), misses({})}},
        {"neigh", "l3miss_arp", misses3, {swallowed(who4), misses({"miss 10.20.1.3 STALE"})}},
        {"neigh", "l3miss_nd", misses3, {swallowed(who6), misses({"miss fd20::3 STALE"})}},
        {"neigh",
         "l3miss_not_for_known",
         misses3,
         {know4, asks(who4, arp_reply_of_b()), misses({})}},
        {"neigh", "l3miss_not_without_proxy", with("l3miss"), {crosses(who4), misses({})}},
        {"neigh",
         "l3miss_not_for_replies",
         misses3,
         {swallowed(arp(B, A, {.operation = 2, .target_mac = B})), misses({})}},
        {"neigh",
         "l3miss_rsc",
         with("rsc l3miss"),
         {pause(1100), table(router), rerouted(v4(R, A), v4(R, A), 4),
          misses({"miss 10.20.1.3 STALE"})}},
        {"neigh",
         "l3miss_rsc_ipv6",
         with("rsc l3miss"),
         {pause(1100), table(router), rerouted(v6(R, A), v6(R, A), 4),
          misses({"miss fd20::3 STALE"})}},
        {"neigh", "l3miss_rsc_not_for_others", with("rsc l3miss"), {crosses(v4(B, A)), misses({})}},
    };
    return list;
}

} // namespace xvtep::conformance
