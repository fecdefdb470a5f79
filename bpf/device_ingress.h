/* SPDX-License-Identifier: GPL-2.0-only */
/* Ingress of a VTEP's own device: frames that the kernel's device has decapsulated. */
#ifndef XVTEP_BPF_DEVICE_INGRESS_H
#define XVTEP_BPF_DEVICE_INGRESS_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/classify.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/skb.h"

/* Follows `ip link set ... address`: the kernel tells that a frame is for the device itself. */
static __always_inline void follow_mac(struct __sk_buff *skb, struct xv_vtep *vtep)
{
    struct ethhdr eth XV_ALIGN2;

    if (vtep && skb->pkt_type == XV_PACKET_HOST && !skb_read_eth(skb, &eth) &&
        !mac_is_multicast(eth.h_dest) && !mac_equal(eth.h_dest, vtep->mac))
        mac_copy(vtep->mac, eth.h_dest);
}

/*
 * Admits the sender, checks the frame's source and learns it. Without a sender (the packet came by
 * another port, or out of IPsec) only the kernel's device knows the source's VTEP. Returns
 * XV_TO_LEARN if something was learned, XV_CONTINUE, or a drop reason.
 */
static __always_inline int learn_source(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                        struct xv_sender *sender, __u64 now)
{
    struct xv_addr unknown = {};
    struct xv_remote from;
    int reason;

    if (sender)
        sender->admitted = xv_stamp(now) | 1; /* 0 means never */
    if (mac_is_multicast(eth->h_source) || mac_is_zero(eth->h_source))
        return XV_MAC_INVALID_SOURCE;
    if (!(vtep->flags & XV_VTEP_LEARNING))
        return XV_CONTINUE;
    from = dest_from(vtep, sender ? &sender->addr : &unknown);
    reason = fdb_check(vtep, eth->h_source, &from, 0, vtep->renew_shift, now);
    if (reason == XV_TO_LEARN)
        fdb_learn(vtep, eth->h_source, &from, 0, now);
    return reason_drops(reason) && !sender ? XV_CONTINUE : reason;
}

#endif
