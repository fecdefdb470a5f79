/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a frame was not forwarded by the programs: X(NAME, "name in JSON", "meaning"). The BPF
 * counters, `xvtep stats`, docs/drop-reasons.md and the names in the tests follow from these lists,
 * so a new reason is one line here, and a case in tests/program/reason_test.cc, which fails for a
 * reason without one.
 *
 * Passed: the frame went on, untouched, to the kernel's stack, bridge or vxlan device.
 * Dropped: the frame ended here.
 *
 * The reasons before FRAGMENT are for packets that are not VXLAN: see is_left_to_device().
 */
#ifndef XVTEP_REASONS_H
#define XVTEP_REASONS_H

#define XV_PASSED_REASONS(X)                                                                       \
    X(NOT_IP, "not_ip", "underlay: neither plain IPv4 nor plain IPv6 (ARP, VLAN-tagged, ...)")     \
    X(NOT_UDP, "not_udp", "underlay: another protocol over IP")                                    \
    X(OTHER_PORT, "other_port", "underlay: UDP to a port that no VTEP uses")                       \
    X(FRAGMENT, "fragment", "underlay: an outer fragment, left to the kernel to reassemble")       \
    X(IP_OPTIONS, "ip_options", "underlay: IPv4 options or IPv6 extension headers")                \
    X(BAD_LENGTH, "bad_length", "underlay: outer headers cut short, or lengths that disagree")     \
    X(BAD_CHECKSUM, "bad_checksum", "underlay: IPv4 header checksum wrong; the stack drops it")    \
    X(NOT_LOCAL, "not_local", "underlay: VXLAN to an address of no VTEP (transit)")                \
    X(MARTIAN, "martian", "underlay: source is our own, a multicast or an invalid address")        \
    X(VXLAN_VNI_NOT_FOUND, "vxlan_vni_not_found",                                                  \
      "underlay: VXLAN to this host, of a VNI without a VTEP")                                     \
    X(NO_UDP6_CSUM, "no_udp6_csum", "underlay: IPv6 without UDP checksum, which the VTEP refuses") \
    X(GSO, "gso",                                                                                  \
      "underlay: a GSO packet, or of a flow with GSO packets: for the kernel's device")            \
    X(TO_ADMIT, "to_admit", "underlay: the kernel must admit its sender, once a second")           \
    X(TO_LEARN, "to_learn",                                                                        \
      "underlay: its source is new, has moved or is old: the kernel's device learns too")          \
    X(KERNEL_TABLE, "kernel_table", "overlay: sent by an entry of the kernel's device alone")      \
    X(FLOODED, "flooded", "overlay: sent by the kernel's device to the group or all defaults")     \
    X(OVER_MTU, "over_mtu",                                                                        \
      "overlay: larger than the path: the kernel's device answers or fragments")                   \
    X(KERNEL_PATH, "kernel_path",                                                                  \
      "overlay: a packet that only the kernel's device can encapsulate")                           \
    X(TO_BRIDGE, "to_bridge", "port: no VTEP is known for it: the port's bridge decides")          \
    X(SWITCHED, "switched", "port: delivered to the host or another local port of the VNI")

#define XV_DROPPED_REASONS(X)                                                                      \
    X(NO_VNI_FLAG, "no_vni_flag", "VXLAN header without the I flag (RFC 7348 5)")                  \
    X(RESERVED_BITS, "reserved_bits", "VXLAN header with reserved bits set, as Linux drops it")    \
    X(PKT_TOO_SMALL, "pkt_too_small", "no room for an inner Ethernet or IP header")                \
    X(MAC_INVALID_SOURCE, "mac_invalid_source", "inner source MAC is multicast or all zeros")      \
    X(LOCAL_MAC, "local_mac", "inner source MAC is the VTEP's own (a loop or an echo)")            \
    X(VXLAN_ENTRY_EXISTS, "vxlan_entry_exists", "source MAC has a static entry for another VTEP")  \
    X(UNKNOWN_REMOTE, "unknown_remote", "from a VTEP that nobody named (accept known)")            \
    X(IP_TUNNEL_ECN, "ip_tunnel_ecn", "outer CE on an inner not-ECT packet (RFC 6040 4.2)")        \
    X(NO_TX_TARGET, "no_tx_target", "no entry for the MAC and no default entry")                   \
    X(PORT_COPY, "port_copy", "a bridge's flood copy, for a MAC behind a local port")              \
    X(HAIRPIN, "hairpin", "the destination is behind the port the frame came from")                \
    X(UNKNOWN_VLAN, "unknown_vlan",                                                                \
      "a VLAN without a VNI: of a trunk, or on a device with many VNIs")                           \
    X(PROXIED, "proxied", "proxy: ARP request or neighbour solicitation, answered from the table") \
    X(PROXY_SILENT, "proxy_silent", "proxy: other ARP or solicitation, kept off the wire")         \
    X(PKT_TOO_BIG, "pkt_too_big", "larger than the path: the sender gets an ICMP error")           \
    X(DEVICE_GONE, "device_gone", "the VTEP's device has just been deleted or moved away")         \
    X(MISDIRECTED, "misdirected", "the kernel's device sent it to another VTEP than its entry's")  \
    X(OVERSIZE, "oversize", "more than 65,535 bytes with the outer headers")                       \
    X(REWRITE_FAILED, "rewrite_failed", "the kernel refused to rewrite the packet (memory, layout)")

enum xv_reason {
    XV_CONTINUE = 0,
#define X(name, text, meaning) XV_##name,
    XV_PASSED_REASONS(X) XV_FIRST_DROPPED,
    XV_BEFORE_DROPPED = XV_FIRST_DROPPED - 1,
    XV_DROPPED_REASONS(X)
#undef X
        XV_REASONS,
};

/*
 * Which of the kernel's reasons (enum skb_drop_reason, without SKB_DROP_REASON_) a reason is; the
 * table of docs/drop-reasons.md has it. X(NAME, KERNEL_NAME).
 */
#define XV_KERNEL_REASONS(X)                                                                       \
    X(VXLAN_VNI_NOT_FOUND, VXLAN_VNI_NOT_FOUND)                                                    \
    X(NO_VNI_FLAG, VXLAN_INVALID_HDR)                                                              \
    X(RESERVED_BITS, VXLAN_INVALID_HDR)                                                            \
    X(PKT_TOO_SMALL, PKT_TOO_SMALL)                                                                \
    X(MAC_INVALID_SOURCE, MAC_INVALID_SOURCE)                                                      \
    X(LOCAL_MAC, LOCAL_MAC)                                                                        \
    X(VXLAN_ENTRY_EXISTS, VXLAN_ENTRY_EXISTS)                                                      \
    X(IP_TUNNEL_ECN, IP_TUNNEL_ECN)                                                                \
    X(NO_TX_TARGET, NO_TX_TARGET)                                                                  \
    X(PKT_TOO_BIG, PKT_TOO_BIG)

#endif
