/* SPDX-License-Identifier: GPL-2.0-only */
/* Takes a packet out of the tunnel in TC: checks, congestion marks, removing the outer headers. */
#ifndef XVTEP_BPF_DECAP_H
#define XVTEP_BPF_DECAP_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/classify.h"
#include "bpf/common.h"
#include "bpf/cursor.h"
#include "bpf/deliver.h"
#include "bpf/ecn.h"
#include "bpf/gro_flow.h"
#include "bpf/parse_outer.h"
#include "bpf/remote.h"
#include "bpf/skb.h"
#include "bpf/source_mac.h"
#include "bpf/vlan.h"
#include "bpf/vtep.h"

/* The result of decapsulation. */
struct decap {
    int reason; /* XV_CONTINUE: the frame is delivered by `action`, and counted */
    int action;
    __u32 slot;   /* the counters for `reason`: a VTEP's; 0: the underlay port's */
    int unparsed; /* `reason` is about the outer headers: perhaps they begin elsewhere */
};

XV_ASSERT(XV_NOT_IP == 1 && XV_NOT_UDP == 2 && XV_OTHER_PORT == 3, "not VXLAN: the first reasons");

/*
 * Whether a packet with this reason goes on to the kernel's device, which then needs the mark of
 * the sender. Packets that are not VXLAN come first in the list of reasons.
 */
static __always_inline int is_left_to_device(int reason)
{
    return reason_passes(reason) && reason > XV_OTHER_PORT;
}

/*
 * The VTEP of a frame whose outer headers the XDP program of this port has removed, or NULL; and
 * *sender, NULL if it is not known.
 */
static __always_inline struct xv_vtep *vtep_from_xdp(struct __sk_buff *skb,
                                                     struct xv_remote **sender)
{
    struct xv_meta *meta = (void *)(long)skb->data_meta;
    struct xv_remote *remote;
    struct xv_vtep *vtep;
    __u32 index;

    if ((void *)(meta + 1) > (void *)(long)skb->data)
        return NULL;
    /* The metadata stays: a write would make the kernel copy a tapped packet, without metadata. */
    vtep = vtep_by_slot(meta->place & ((1 << XV_META_SLOT_BITS) - 1));
    if (!vtep || meta->magic != (XV_META_MAGIC ^ skb->ifindex ^ vtep->nonce))
        return NULL;
    index = xv_remote_index(meta->place >> XV_META_SLOT_BITS);
    remote = bpf_map_lookup_elem(&remotes, &index);
    *sender = remote && remote->id && remote->slot == vtep->slot ? remote : NULL;
    return vtep;
}

/*
 * Whether outer CE meets an inner packet that does not know congestion marks (RFC 6040 4.2). `at`:
 * of the inner L3 header of type `proto`.
 */
XV_STEP int ecn_must_drop(struct __sk_buff *skb, __u32 at, __u32 proto)
{
    __u8 tos[2];

    if (bpf_skb_load_bytes(skb, at, tos, sizeof(tos)))
        return 0;
    if (proto == bpf_htons(ETH_P_IP))
        return ecn_decapsulate(XV_ECN_CE, tos[1]) < 0;
    return proto == bpf_htons(ETH_P_IPV6) && ecn_decapsulate(XV_ECN_CE, tos[1] >> 4) < 0;
}

/* Copies the congestion mark of the outer TOS to the inner header; ecn_must_drop() has said no. */
XV_STEP int copy_ecn(struct __sk_buff *skb, __u32 at, __u32 proto, __u32 tos)
{
    int ecn;

    if (proto == bpf_htons(ETH_P_IP)) {
        struct iphdr ip;

        if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
            return XV_CONTINUE;
        ecn = ecn_decapsulate(tos, ip.tos);
        if (ecn == (ip.tos & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v4(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0) ? XV_REWRITE_FAILED : XV_CONTINUE;
    }
    if (proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr ip;

        if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
            return XV_CONTINUE;
        ecn = ecn_decapsulate(tos, ip.flow_lbl[0] >> 4);
        if (ecn == (ip.flow_lbl[0] >> 4 & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v6(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM)
                   ? XV_REWRITE_FAILED
                   : XV_CONTINUE;
    }
    return XV_CONTINUE;
}

/* Removes the outer headers and the inner L2 header, and writes the latter over the outer one. */
static __always_inline int strip(struct __sk_buff *skb, const struct outer *o,
                                 const struct ethhdr *inner)
{
    /* The kernel refuses an inner packet that is too small for the outer IP version. */
    if (bpf_skb_adjust_room(skb, -(__s32)o->size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
        return XV_KERNEL_PATH;
    if (bpf_skb_store_bytes(skb, 0, inner, sizeof(*inner), 0))
        return XV_REWRITE_FAILED;
    return XV_CONTINUE;
}

/*
 * Makes the checks of the kernel's device, and sets `o`, *vtep, *remote (the sender, or NULL) and
 * `inner`. XV_CONTINUE: the packet may be decapsulated here.
 */
static __always_inline int check_packet(struct __sk_buff *skb, struct outer *o,
                                        struct xv_vtep **vtep, struct xv_remote **remote,
                                        struct ethhdr *inner, int *unparsed, __u64 now)
{
    struct place sender = {};
    int reason, uses_gro;
    struct cursor c;

    c = skb_pull(skb, XV_LINEAR);
    reason = skb_has_vlan(skb) ? XV_NOT_IP : parse_outer(&c, o, skb->len, NULL);
    *unparsed = reason != XV_CONTINUE;
    if (reason != XV_CONTINUE)
        return reason;
    reason = classify(o, vtep);
    if (reason != XV_CONTINUE)
        return reason;
    if (skb->pkt_type == XV_PACKET_OTHERHOST)
        return XV_NOT_LOCAL;
    *remote = remote_of_sender(*vtep, &o->src);
    reason = check_sender(*vtep, *remote, now);
    if (reason != XV_CONTINUE)
        return reason;
    if (bpf_skb_load_bytes(skb, o->size, inner, sizeof(*inner)) || inner_is_cut(o, inner->h_proto))
        return XV_PKT_TOO_SMALL;
    if ((o->tos & XV_ECN_MASK) == XV_ECN_CE && /* before anything is learned from the packet */
        ecn_must_drop(skb, o->size + ETH_HLEN, inner->h_proto))
        return XV_IP_TUNNEL_ECN;
    uses_gro = flow_uses_gro(skb, &c, o, now) ^ unknown_zero(now);
    sender.addr = o->src;
    reason = check_source(*vtep, *remote, &sender, inner->h_source, now);
    if (reason != XV_CONTINUE)
        return reason;
    return uses_gro ? XV_GSO : XV_CONTINUE;
}

/* Turns the packet into its inner frame. */
static __always_inline int unwrap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                  const struct outer *o, const struct ethhdr *inner)
{
    int reason = XV_CONTINUE;

    if (o->tos & XV_ECN_MASK)
        reason = copy_ecn(skb, o->size + ETH_HLEN, inner->h_proto, o->tos);
    if (reason != XV_CONTINUE)
        return reason;
    if (skb->vlan_present && bpf_skb_vlan_pop(skb)) /* a priority tag of the outer packet */
        return XV_REWRITE_FAILED;
    reason = strip(skb, o, inner);
    if (reason != XV_CONTINUE)
        return reason;
    if (vtep->flags & XV_VTEP_GBP && o->vxlan.flags & bpf_htonl(XV_VXLAN_FLAG_GBP))
        skb->mark = bpf_ntohl(o->vxlan.flags) & XV_VXLAN_GBP_BITS;
    return XV_CONTINUE;
}

/* Decapsulates and delivers a packet from the underlay, or leaves it as it is. */
XV_STEP int tc_decap(struct __sk_buff *skb, __u64 now, struct decap *result)
{
    struct xv_remote *remote = NULL;
    enum xv_proto proto = XV_PROTO_VALID;
    struct xv_vtep *vtep;
    struct ethhdr inner XV_ALIGN2;
    struct outer o = {};
    int reason;

    if (!result)
        return 0;
    vtep = result->unparsed ? NULL : vtep_from_xdp(skb, &remote);
    if (vtep) {
        result->slot = vtep->slot;
        result->reason = XV_PKT_TOO_SMALL;
        if (bpf_skb_load_bytes(skb, 0, &inner, sizeof(inner)))
            return 0;
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* the inner MAC is not this port's */
    } else {
        reason = check_packet(skb, &o, &vtep, &remote, &inner, &result->unparsed, now);
        if (reason == XV_CONTINUE)
            reason = unwrap(skb, vtep, &o, &inner);
        if (reason != XV_CONTINUE || !vtep) {
            result->reason = reason;
            if (vtep && reason != XV_NOT_LOCAL)
                result->slot = vtep->slot;
            return 0;
        }
        if (inner.h_proto != bpf_htons(o.v6 ? ETH_P_IPV6 : ETH_P_IP))
            proto = XV_PROTO_STALE;
    }
    result->reason = XV_CONTINUE;
    result->action = deliver(skb, vtep, remote, inner.h_dest, now, proto, XV_HOOK_INGRESS);
    return 0;
}

#endif
