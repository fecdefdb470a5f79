/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ingress of a VTEP's own device: frames that the kernel's device has decapsulated. source_mac.h
 * learns from them.
 */
#ifndef XVTEP_BPF_DEVICE_INGRESS_H
#define XVTEP_BPF_DEVICE_INGRESS_H

#include <linux/if_ether.h>
#include <linux/in.h>

#include "bpf/abi/tables.h"
#include "bpf/addr.h"
#include "bpf/icmp.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/parse_inner.h"
#include "bpf/skb.h"

/*
 * Follows `ip link set ... address`: the kernel tells that a frame is for the device itself. Not of
 * a frame that its own device has turned round (vxlan_encap_bypass(), for ICMP errors and other
 * VTEPs of this host), which is for the device whatever its MAC: it has another mark, or this
 * host's address as its sender.
 */
static __always_inline void follow_mac(struct __sk_buff *skb, struct xv_vtep *vtep, __u32 mark,
                                       const struct xv_sender *from)
{
    struct ethhdr eth XV_ALIGN2;
    struct xv_addr address;

    if (!vtep || skb->pkt_type != XV_PACKET_HOST || skb_read_eth(skb, &eth) ||
        mac_is_multicast(eth.h_dest) || mac_equal(eth.h_dest, vtep->mac))
        return;
    if (mark != XV_MARK_DELIVERED_OTHER_MAC) {
        if (!from)
            return;
        address = from->addr;
        if (bpf_map_lookup_elem(&local_addrs, &address))
            return;
    }
    mac_copy(vtep->mac, eth.h_dest);
}

/*
 * Whether the frame is an ICMP error about the size of one that the kernel's device has flooded.
 * Such a flood has this host's address as its sender, for other VTEPs of this host, and so has the
 * error, which the device turns round. It teaches nothing: its source is where the frame was to go.
 */
XV_STEP int is_own_error(struct __sk_buff *skb, const struct xv_vtep *vtep,
                         const struct xv_sender *from)
{
    struct inner in = {};
    __u8 type[2];

    if (!vtep || !from || !addr_equal(&from->addr, &vtep->local) || parse_frame(skb, &in) ||
        !in.l4_offset || bpf_skb_load_bytes(skb, in.l4_offset, type, sizeof(type)))
        return 0;
    return (in.l4_proto == IPPROTO_ICMP && type[0] == XV_ICMP_UNREACHABLE &&
            type[1] == XV_ICMP_FRAG_NEEDED) ||
           (in.l4_proto == IPPROTO_ICMPV6 && type[0] == XV_ICMPV6_TOO_BIG);
}

#endif
