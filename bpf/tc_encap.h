/* SPDX-License-Identifier: GPL-2.0-only */
/* Encapsulates a frame in TC. A GSO packet stays one packet. */
#ifndef XVTEP_BPF_TC_ENCAP_H
#define XVTEP_BPF_TC_ENCAP_H

#include <linux/if_ether.h>

#include "bpf/common.h"
#include "bpf/encap.h"
#include "bpf/hop.h"
#include "bpf/maps.h"
#include "bpf/multipath.h"
#include "bpf/parse_inner.h"
#include "bpf/tx_ctx.h"
#include "bpf/udp_csum.h"
#include "bpf/vlan.h"

/*
 * Makes room in front of a frame that is not IP, or has had a tunnel's mark before. A port without
 * Ethernet headers goes by skb->protocol, and begins where the kernel has the L3 header noted.
 * Nothing but bpf_skb_adjust_room() changes both, so the kernel's device must send by such a port.
 */
XV_STEP int grow_head(struct __sk_buff *skb, __u32 room, const struct xv_hop *hop)
{
    struct ethhdr zeros = {};

    if (!hop)
        return XV_REWRITE_FAILED;
    if (hop_is_l3(hop))
        return XV_RESOLVE;
    if (bpf_skb_change_head(skb, room, 0))
        return XV_REWRITE_FAILED;
    /* Zeros between the new L2 header and the old L3 one, as bpf_skb_adjust_room() leaves them. */
    return bpf_skb_store_bytes(skb, room, &zeros, sizeof(zeros), 0) ? XV_REWRITE_FAILED
                                                                    : XV_CONTINUE;
}

/* Makes room for `outer` bytes of outer headers and the inner L2 header before the L3 header. */
static __always_inline int grow(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                const struct l2 *l2, const struct xv_hop *hop)
{
    /* ENCAP_L2 is the inner L2 header alone. With VXLAN's 8 bytes large TCP packets vanish. */
    __u64 flags =
        BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
        (vtep->flags & XV_VTEP_V6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
    __s32 room = outer_size(vtep) + l2->size - ETH_HLEN;

    if (l2->l3_proto == bpf_htons(ETH_P_IP) || l2->l3_proto == bpf_htons(ETH_P_IPV6)) {
        int error = bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC,
                                        flags | BPF_F_ADJ_ROOM_ENCAP_L2(l2->size));
        if (!error)
            return XV_CONTINUE;
        if (skb->gso_size)
            return XV_KERNEL_PATH; /* an earlier tunnel's mark of encapsulation is still set */
    } else if (skb->gso_size) {
        return XV_KERNEL_PATH;
    }
    return grow_head(skb, room, hop);
}

/* All headers that tc_encap() writes. One place for both IP versions, since the stack is small. */
struct tx_headers {
    __u16 align;
    struct ethhdr eth;
    union {
        struct {
            struct outer_v4 outer;
            __u8 l2[XV_TAGGED_SIZE];
        } v4;
        struct {
            struct outer_v6 outer;
            __u8 l2[XV_TAGGED_SIZE];
        } v6;
    };
};

/*
 * Linux 6.1 wants a constant size in each call. The bytes behind the L2 header belong to the sum of
 * the whole packet (CHECKSUM_COMPLETE), if the skb has one.
 */
static __always_inline int store_behind_eth(struct __sk_buff *skb, const struct tx_headers *h,
                                            __u32 outer, __u32 l2_size)
{
    const void *rest = &h->v4;
    long failed = bpf_skb_store_bytes(skb, 0, &h->eth, ETH_HLEN, 0);

    if (l2_size == ETH_HLEN)
        failed |= bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + ETH_HLEN, BPF_F_RECOMPUTE_CSUM);
    else if (l2_size == XV_TAGGED_SIZE)
        failed |=
            bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + XV_TAGGED_SIZE, BPF_F_RECOMPUTE_CSUM);
    else
        failed |= bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + ETH_HLEN + XV_TAG_SIZE,
                                      BPF_F_RECOMPUTE_CSUM);
    return failed ? XV_REWRITE_FAILED : XV_CONTINUE;
}

static __always_inline int store_headers(struct __sk_buff *skb, const struct tx_headers *h,
                                         const struct xv_vtep *vtep, __u32 l2_size)
{
    if (vtep->flags & XV_VTEP_V6)
        return store_behind_eth(skb, h, sizeof(struct outer_v6), l2_size);
    return store_behind_eth(skb, h, sizeof(struct outer_v4), l2_size);
}

/* Builds the outer headers and the inner L2 header. `size`: of the inner frame. */
static __always_inline void build_headers(struct tx_headers *h, const struct xv_vtep *vtep,
                                          const struct xv_remote *remote, const struct inner *in,
                                          const struct l2 *l2, const struct tx_ctx *tx, __u32 size)
{
    if (vtep->flags & XV_VTEP_V6) {
        struct outer_v6 *outer = &h->v6.outer;

        build_outer_v6(&h->eth, outer, vtep, remote, in, &tx->path.hop, size);
        __builtin_memcpy(h->v6.l2, l2->bytes, XV_TAGGED_SIZE);
        if (needs_csum(vtep))
            outer->udp.check = udp_csum(&outer->ip.saddr, 32, &outer->udp, l2, tx->sum);
    } else {
        struct outer_v4 *outer = &h->v4.outer;

        build_outer_v4(&h->eth, outer, vtep, remote, in, &tx->path.hop, size);
        __builtin_memcpy(h->v4.l2, l2->bytes, XV_TAGGED_SIZE);
        if (needs_csum(vtep))
            outer->udp.check = udp_csum(&outer->ip.saddr, 8, &outer->udp, l2, tx->sum);
    }
}

/*
 * Encapsulates the frame and redirects it to tx->path.hop. Returns XV_CONTINUE with tx->action set,
 * or a reason. After a reason that passes, the frame is as it was.
 */
static __always_inline int tc_encap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                    const struct xv_remote *remote, const struct inner *in,
                                    struct tx_ctx *tx)
{
    struct tx_headers headers = {};
    struct l2 l2;
    int reason;

    reason = pop_vlans(skb, &tx->eth, &l2);
    if (reason != XV_CONTINUE)
        return reason;
    build_headers(&headers, vtep, remote, in, &l2, tx, skb->len - ETH_HLEN + l2.size);
    reason = grow(skb, vtep, &l2, &tx->path.hop);
    if (reason == XV_CONTINUE)
        reason = store_headers(skb, &headers, vtep, l2.size);
    if (reason == XV_CONTINUE)
        tx->action = to_hop(skb, tx);
    else if (!reason_drops(reason) && push_vlans(skb, &l2))
        return XV_REWRITE_FAILED;
    return reason;
}

#endif
