// SPDX-License-Identifier: GPL-2.0-only
// What layout 5 (commit ca5f0e0) has in its maps, as far as it differs from today's: see carry.h.
// Numbers are in host byte order unless their type is __be*.
#pragma once

#include "bpf/abi/tables.h"

namespace xvtep::layout_5 {

constexpr __u32 made_lo_forward = 1 << 9; // a flag of a VTEP

struct Vtep {
    __be32 flowlabel;
    __u32 reachable, slot, vni, ifindex, flags;
    xv_addr local;
    __be16 dstport;
    __u8 mac[6];
    __u32 reserved_flags, reserved_vni;
    __u8 underlay_mac[6];
    __u16 nonce;
    __u32 members, underlay_count;
    xv_addr remote;
    __u32 srcport_span; // the number of source ports
    __u16 srcport_min;
    __u8 ttl, tos;
    __u32 ageing, hard_ageing, maxaddress, bridge;
    __u32 underlays[16];
    __u32 zero[4];
};
static_assert(sizeof(Vtep) == 192);

struct Underlay {
    __u32 slot, mode, made_clsact, auto_mode;
    __u8 mac[6];
    __u16 xdp_xmit;
};
static_assert(sizeof(Underlay) == 24);

struct Port {
    __u32 slot, vtep, mode, flags;
    __u64 seen;
    __u8 seen_mac[6];
    __u16 seen_vid;
};
static_assert(sizeof(Port) == 32);

struct Destination {
    xv_addr addr;
    __u32 vni, ifindex; // of the underlay port to leave by, or of the local port
    __be16 port;
    __u16 vid; // of the local port
};
static_assert(sizeof(Destination) == 28);

struct Entry {
    Destination dest;
    __u16 flags, dests;
    __u64 updated, used, created; // CLOCK_MONOTONIC, ns
    __u64 ticket;
};
static_assert(sizeof(Entry) == 64);

// The names of the reasons, in the order of their counters, from 1 on. Some have other names today.
constexpr const char *reasons[] = {"not_ip",        "not_udp",
                                   "other_port",    "fragment",
                                   "ip_options",    "bad_length",
                                   "bad_checksum",  "not_local",
                                   "martian",       "vxlan_vni_not_found",
                                   "no_udp6_csum",  "flooded",
                                   "over_mtu",      "kernel_path",
                                   "to_bridge",     "switched",
                                   "no_vni_flag",   "reserved_bits",
                                   "pkt_too_small", "mac_invalid_source",
                                   "local_mac",     "vxlan_entry_exists",
                                   "ip_tunnel_ecn", "no_tx_target",
                                   "port_copy",     "hairpin",
                                   "unknown_vlan",  "proxied",
                                   "proxy_silent",  "pkt_too_big",
                                   "pkt_too_big",   "oversize",
                                   "rewrite_failed"};

} // namespace xvtep::layout_5
