// SPDX-License-Identifier: GPL-2.0-only
// What layout 10 (commit 44cbcd3) has in its maps, as far as it differs from today's: see carry.h.
#pragma once

#include "bpf/abi/tables.h"

namespace xvtep::layout_10 {

// The names of the reasons, in the order of their counters, from 1 on.
constexpr const char *reasons[] = {"not_ip",         "not_udp",
                                   "other_port",     "fragment",
                                   "ip_options",     "bad_length",
                                   "bad_checksum",   "not_local",
                                   "martian",        "vxlan_vni_not_found",
                                   "no_udp6_csum",   "gso",
                                   "to_admit",       "to_learn",
                                   "kernel_table",   "flooded",
                                   "over_mtu",       "kernel_path",
                                   "to_bridge",      "switched",
                                   "no_vni_flag",    "reserved_bits",
                                   "pkt_too_small",  "mac_invalid_source",
                                   "local_mac",      "vxlan_entry_exists",
                                   "unknown_remote", "ip_tunnel_ecn",
                                   "no_tx_target",   "port_copy",
                                   "hairpin",        "unknown_vlan",
                                   "proxied",        "proxy_silent",
                                   "pkt_too_big",    "device_gone",
                                   "misdirected",    "oversize",
                                   "rewrite_failed"};

} // namespace xvtep::layout_10
