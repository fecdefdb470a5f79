/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ingress of a VTEP's own device: frames that the kernel's device has decapsulated. source_mac.h
 * learns from them.
 */
#ifndef XVTEP_BPF_DEVICE_INGRESS_H
#define XVTEP_BPF_DEVICE_INGRESS_H

#include <linux/if_ether.h>

#include "bpf/abi/tables.h"
#include "bpf/addr.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
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

#endif
