/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In: ingress of an underlay port, and of an adopted device. A packet is decapsulated here if it is
 * plain, from a VTEP of the mirror that the kernel has admitted within the last second
 * (bpf/sender.h): so the host's firewall decides as ever. All others go on to the kernel's device.
 */
#ifndef XVTEP_BPF_ADOPT_INGRESS_H
#define XVTEP_BPF_ADOPT_INGRESS_H

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/adopt_maps.h"
#include "bpf/common.h"
#include "bpf/decap.h"
#include "bpf/deliver.h"
#include "bpf/marks.h"
#include "bpf/parse_outer.h"
#include "bpf/sender.h"
#include "bpf/source_mac.h"
#include "bpf/vlan.h"
#include "bpf/vtep.h"

/*
 * The checks of the kernel's device, and those of the fast path. Sets *found, the VTEP whose packet
 * it is, or NULL. XV_CONTINUE: it may be decapsulated here. XV_TO_ADMIT: the kernel must admit its
 * sender.
 */
static __always_inline int adopt_check(struct __sk_buff *skb, struct outer *o,
                                       struct xv_vtep **found, struct xv_remote **sender,
                                       struct ethhdr *inner, __u64 now)
{
    struct cursor c = skb_pull(skb, XV_LINEAR);
    struct xv_vtep *vtep;
    int reason;

    reason =
        skb_has_vlan(skb) || skb->vlan_present ? XV_NOT_IP : parse_outer(&c, o, skb->len, NULL);
    if (reason != XV_CONTINUE)
        return reason;
    if (o->v6 || o->vxlan.flags != bpf_htonl(XV_VXLAN_FLAG_VNI) || o->vxlan.vni & bpf_htonl(0xff))
        return XV_RESERVED_BITS;
    vtep = vtep_by_vni(bpf_ntohl(o->vxlan.vni) >> 8, o->dport);
    if (!vtep || !adopt_is_valid(vtep->slot, now) || !addr_equal(&o->dst, &vtep->local))
        return XV_NOT_LOCAL;
    if (skb->pkt_type == XV_PACKET_OTHERHOST || addr_equal(&o->src, &vtep->local))
        return XV_MARTIAN;
    *found = vtep;
    *sender = remote_of_sender(vtep, &o->src);
    if (!*sender || !(*sender)->refs)
        return XV_UNKNOWN_REMOTE;
    if (bpf_skb_load_bytes(skb, o->size, inner, sizeof(*inner)) || inner_is_cut(o, inner->h_proto))
        return XV_PKT_TOO_SMALL;
    if ((o->tos & XV_ECN_MASK) == XV_ECN_CE &&
        ecn_must_drop(skb, o->size + ETH_HLEN, inner->h_proto))
        return XV_IP_TUNNEL_ECN;
    if (flow_uses_gro(skb, &c, o, now) ^ unknown_zero(now))
        return XV_GSO;
    reason = check_source_mac(vtep, inner->h_source);
    if (reason != XV_CONTINUE)
        return reason;
    return is_admitted(*sender, &o->src, vtep->dstport, now) ? XV_CONTINUE : XV_TO_ADMIT;
}

/* Returns the action. */
XV_STEP int adopt_decap(struct __sk_buff *skb, __u64 now)
{
    struct xv_remote *sender = NULL;
    struct ethhdr inner XV_ALIGN2;
    struct xv_vtep *vtep = NULL;
    struct outer o = {};
    int reason, mark;

    reason = adopt_check(skb, &o, &vtep, &sender, &inner, now);
    if (!vtep)
        return XV_PASS;
    if (reason == XV_CONTINUE) {
        if (!is_alive_now(vtep->ifindex, now))
            return XV_PASS;
        reason = unwrap(skb, vtep, &o, &inner);
        if (reason == XV_CONTINUE) {
            count_rx_from(vtep, sender, 1, skb->len, now);
            return to_device(skb, vtep, inner.h_dest);
        }
        if (reason_drops(reason)) /* the kernel had no memory, and the packet is half rewritten */
            return to_action(vtep->slot, reason, 1);
    }
    /* GSO packets, too: their flow's others need the admission. */
    if (reason == XV_TO_ADMIT || reason == XV_GSO) {
        mark = sender_mark(&o.src, o.dport, 0, now);
        if (mark)
            skb->tc_index = XV_MARK_ADOPTED_SENDER | (mark & (XV_SENDERS - 1));
    }
    return to_action(vtep->slot, reason_drops(reason) ? XV_KERNEL_PATH : reason, skb_packets(skb));
}

static __always_inline int is_adopted_sender(__u32 mark)
{
    return (mark & ~(XV_SENDERS - 1)) == XV_MARK_ADOPTED_SENDER;
}

static __always_inline int adopt_device_ingress(struct __sk_buff *skb)
{
    __u32 mark = skb->tc_index, index;
    struct xv_sender *sender;

    if (mark == XV_MARK_DELIVERED || mark == XV_MARK_DELIVERED_OTHER_MAC ||
        mark == XV_MARK_ADOPTED) {
        skb->tc_index = 0;
    } else if (is_adopted_sender(mark)) {
        skb->tc_index = 0;
        index = mark & (XV_SENDERS - 1);
        sender = bpf_map_lookup_elem(&senders, &index);
        if (sender && sender->last_marked)
            sender->admitted = xv_stamp(bpf_ktime_get_coarse_ns()) | 1; /* 0 means never */
    }
    return XV_PASS;
}

#endif
