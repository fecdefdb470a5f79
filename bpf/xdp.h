/* SPDX-License-Identifier: GPL-2.0-only */
/* Rewriting and sending frames from XDP. */
#ifndef XVTEP_BPF_XDP_H
#define XVTEP_BPF_XDP_H

#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/encap.h"

static __always_inline struct cursor xdp_cursor(struct xdp_md *xdp)
{
    return (struct cursor){.at = (void *)(long)xdp->data, .end = (void *)(long)xdp->data_end};
}

/* Drops are final and counted here; what is passed on is counted by the TC program behind. */
static __always_inline int xdp_to_action(__u32 slot, int reason)
{
    if (!reason_drops(reason))
        return XDP_PASS;
    count_reason(slot, reason, 1);
    return XDP_DROP;
}

/* To this port's MAC, or to many: what else a switch floods to us is not ours. */
static __always_inline int xdp_is_for_host(struct xdp_md *xdp, const struct xv_vtep *vtep)
{
    struct ethhdr *eth = (void *)(long)xdp->data;
    __u32 ifindex = xdp->ingress_ifindex;
    struct xv_underlay *underlay;

    if ((void *)(eth + 1) > (void *)(long)xdp->data_end)
        return 0;
    if (mac_equal(eth->h_dest, vtep->underlay_mac) || mac_is_multicast(eth->h_dest))
        return 1;
    underlay = bpf_map_lookup_elem(&underlays, &ifindex);
    return underlay && mac_equal(eth->h_dest, underlay->mac);
}

/* `c` stands on the inner L3 header. */
static __always_inline int xdp_ecn(struct cursor *c, const struct outer *o, __be16 proto)
{
    int ecn;

    if (!(o->tos & XV_ECN_MASK))
        return XV_CONTINUE;
    if (proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(c, sizeof(*ip));

        if (!ip)
            return XV_CONTINUE;
        ecn = ecn_decapsulate(o->tos, ip->tos);
        if (ecn < 0)
            return XV_IP_TUNNEL_ECN;
        if (ecn != (ip->tos & XV_ECN_MASK))
            ecn_set_v4(ip, ecn);
    } else if (proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(c, sizeof(*ip));

        if (!ip)
            return XV_CONTINUE;
        ecn = ecn_decapsulate(o->tos, ip->flow_lbl[0] >> 4);
        if (ecn < 0)
            return XV_IP_TUNNEL_ECN;
        if (ecn != (ip->flow_lbl[0] >> 4 & XV_ECN_MASK))
            ecn_set_v6(ip, ecn);
    }
    return XV_CONTINUE;
}

static __always_inline int xdp_to_port(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                       const struct outer *o, __u32 ifindex)
{
    __u32 size = o->frame_size - o->size;

    if (bpf_xdp_adjust_head(xdp, o->size))
        return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
    count_rx(vtep->slot, 1, size);
    return bpf_redirect_map(&alive, ifindex, XDP_DROP);
}

/*
 * Strips the frame and tells the TC program whose it is: GRO then merges plain inner packets. Not
 * in generic mode: GRO has been, and the metadata is lost with a mac_len of 0 (tc_restore_mac()).
 */
static __always_inline int xdp_hand_up(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                       const struct outer *o)
{
    __u32 ifindex = xdp->ingress_ifindex;
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);
    struct xv_meta *meta;

    if (!underlay || underlay->mode != XV_MODE_XDP)
        return XDP_PASS;
    /* A driver without metadata: TC strips. */
    if (bpf_xdp_adjust_meta(xdp, -(int)sizeof(*meta)))
        return XDP_PASS;
    if (bpf_xdp_adjust_head(xdp, o->size)) {
        bpf_xdp_adjust_meta(xdp, sizeof(*meta));
        return XDP_PASS;
    }
    meta = (void *)(long)xdp->data_meta;
    if ((void *)(meta + 1) > (void *)(long)xdp->data)
        return XDP_PASS;
    meta->magic = XV_META_MAGIC ^ ifindex ^ vtep->nonce;
    meta->slot = vtep->slot;
    return XDP_PASS;
}

/* Marks, ARP, solicitations and rewritten destinations: the TC program's. */
static __always_inline int xdp_is_for_tc(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                         const struct xv_fdb *entry)
{
    return vtep->flags & XV_VTEP_GBP ||
           (vtep->flags & XV_VTEP_PROXY &&
            (eth->h_proto == bpf_htons(ETH_P_ARP) || eth->h_proto == bpf_htons(ETH_P_IPV6))) ||
           (vtep->flags & XV_VTEP_RSC && entry->flags & XV_FDB_ROUTER);
}

static __always_inline int xdp_encap(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                     struct cursor *c, struct ethhdr *eth, struct xv_fdb *entry,
                                     __u64 now)
{
    const struct xv_remote *dest = &entry->dest;
    __u32 size = bpf_xdp_get_buff_len(xdp), outer_size;
    struct inner in = {};
    struct xv_nexthop *nexthop;

    parse_inner(c, &in, eth, eth->h_proto, ETH_HLEN);
    nexthop = nexthop_find(vtep, dest, 0, outer_tos(vtep, &in), now);
    outer_size = size + (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) - ETH_HLEN;
    if (in.cut || !nexthop || !nexthop->xdp || needs_csum(vtep) || size > 0xffff - XV_OUTER_V6 ||
        (outer_size > XV_MTU_SAFE && outer_size > nexthop->proven_size) ||
        addr_is_multicast(&dest->addr) ||
        exceeded_mtu(xdp, nexthop->ifindex, nexthop->mtu, outer_size))
        return XDP_PASS;
    if (vtep->flags & XV_VTEP_V6) {
        if (bpf_xdp_adjust_head(xdp, -XV_OUTER_V6))
            return XDP_PASS;
        eth = (void *)(long)xdp->data;
        struct outer_v6 *outer = (void *)(eth + 1);
        if ((void *)(outer + 1) > (void *)(long)xdp->data_end)
            return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
        build_outer_v6(eth, outer, vtep, dest, &in, nexthop, size);
    } else {
        if (bpf_xdp_adjust_head(xdp, -XV_OUTER_V4))
            return XDP_PASS;
        eth = (void *)(long)xdp->data;
        struct outer_v4 *outer = (void *)(eth + 1);
        if ((void *)(outer + 1) > (void *)(long)xdp->data_end)
            return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
        build_outer_v4(eth, outer, vtep, dest, &in, nexthop, size);
    }
    fdb_touch(&entry->used, now);
    count_tx(vtep->slot, 1, size);
    return bpf_redirect_map(&alive, nexthop->ifindex, XDP_DROP);
}

#endif
