/* SPDX-License-Identifier: GPL-2.0-only */
/* Takes a packet out of the tunnel in XDP. */
#ifndef XVTEP_BPF_XDP_DECAP_H
#define XVTEP_BPF_XDP_DECAP_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/classify.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/csum.h"
#include "bpf/cursor.h"
#include "bpf/decision.h"
#include "bpf/ecn.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/parse_outer.h"
#include "bpf/remote.h"
#include "bpf/source_mac.h"
#include "bpf/vtep.h"
#include "bpf/xdp.h"

/* What becomes of a packet. */
struct xdp_target {
    struct xv_vtep *vtep;
    __u32 sender;  /* the remote's id, or 0 */
    __u32 ifindex; /* the local port to redirect to; 0: up to TC */
    int once;      /* not for other packets: this one is for the bridge, too */
};

/* Whether the packet is for this port's MAC or multicast; a switch may flood others to us. */
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

/*
 * Changes the mark of an inner IPv6 header, and the outer UDP checksum with it: TC may still leave
 * the packet to the kernel, which verifies that. An IPv4 header has a checksum of its own, and the
 * sum over it stays.
 */
static __always_inline void xdp_set_ecn_v6(struct ipv6hdr *ip, const struct outer *o, int ecn)
{
    const __u32 before = ETH_HLEN + sizeof(struct xv_vxlan_header) + sizeof(struct udphdr);
    struct udphdr *udp = (void *)ip - before;
    __be16 *first = (__be16 *)ip;
    const __u16 old = *first;

    ecn_set_v6(ip, ecn);
    if (o->csum)
        udp->check = csum_finish((__u64)(__u16)~o->csum + (__u16)~old + *first);
}

/* Copies the outer congestion mark to the inner L3 header at `c`, or says to drop the packet. */
static __always_inline int xdp_copy_ecn(struct cursor *c, const struct outer *o, __be16 proto)
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
            xdp_set_ecn_v6(ip, o, ecn);
    }
    return XV_CONTINUE;
}

/* Removes the outer headers, and redirects the frame to the local port `ifindex`. */
static __always_inline int xdp_to_port(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                       struct xv_remote *from, const struct outer *o, __u32 ifindex,
                                       __u64 now)
{
    __u32 size = o->frame_size - o->size;

    if (bpf_xdp_adjust_head(xdp, o->size))
        return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
    count_rx_from(vtep, from, 1, size, now);
    return bpf_redirect_map(&alive, ifindex, XDP_DROP);
}

/*
 * Removes the outer headers and passes the frame up, with metadata for the TC program: GRO then
 * merges plain inner packets. Not in generic mode, which comes after GRO, and where metadata is
 * lost if mac_len is 0 (skb_restore_mac()).
 */
static __always_inline int xdp_hand_up(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                       struct xv_remote *from, const struct outer *o)
{
    __u32 ifindex = xdp->ingress_ifindex;
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);
    struct xv_meta *meta;

    if (!underlay || underlay->mode != XV_MODE_XDP)
        return XDP_PASS;
    /* Fails for a driver without metadata: TC then removes the headers. */
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
    meta->place = vtep->slot | (from ? xv_remote_index(from->id) << XV_META_SLOT_BITS : 0);
    return XDP_PASS;
}

/*
 * Decides what becomes of a packet. Returns XV_CONTINUE with *target set, or a reason that counts
 * at target->vtep, if that is set.
 */
static __always_inline int xdp_decide(struct xdp_md *xdp, const struct outer *o,
                                      const struct ethhdr *inner, struct xdp_target *target,
                                      __u64 now)
{
    struct place sender = {.addr = o->src};
    struct xv_remote *remote;
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    int reason;

    if (!is_alive_now(xdp->ingress_ifindex, now))
        return XV_NOT_LOCAL;
    reason = classify(o, &vtep);
    target->vtep = vtep;
    if (reason != XV_CONTINUE || !vtep)
        return reason;
    /* Only TC can set skb->mark, and only the kernel knows if the port's MAC has changed. */
    if (vtep->flags & XV_VTEP_GBP || !xdp_is_for_host(xdp, vtep))
        return XV_NOT_LOCAL;
    remote = remote_of_sender(vtep, &o->src);
    reason = check_sender(vtep, remote, now);
    if (reason != XV_CONTINUE)
        return reason;
    reason = check_source(vtep, remote, &sender, inner->h_source, now);
    if (reason != XV_CONTINUE)
        return reason;
    target->sender = remote ? remote->id : 0;
    entry = fdb_find_local(vtep, inner->h_dest, now);
    target->once = entry && fdb_bridge_needs_copy(entry, now);
    if (entry && entry->flags & XV_FDB_XDP && !entry->several && !target->once)
        target->ifindex = entry->to;
    return XV_CONTINUE;
}

/* As xdp_decide(), from what was decided in this tick. Returns whether there is something. */
static __always_inline int decap_take_decision(struct xdp_md *xdp, const struct decap_decision *d,
                                               const struct outer *o, const struct ethhdr *inner,
                                               struct xdp_target *target, __u64 now)
{
    struct xv_vtep *vtep;

    if (!d || d->tick != now || d->vni != o->vxlan.vni || d->dport != o->dport ||
        !macs_equal(d->macs, (const mac_words *)inner) || !addr_equal(&d->from, &o->src))
        return 0;
    vtep = vtep_by_slot(d->slot);
    if (!vtep || !addr_equal(&o->dst, &vtep->local) || !xdp_is_for_host(xdp, vtep))
        return 0;
    target->vtep = vtep;
    target->sender = d->remote;
    target->ifindex = d->ifindex;
    return 1;
}

static __always_inline void decap_note_decision(struct decap_decision *d, const struct outer *o,
                                                const struct ethhdr *inner,
                                                const struct xdp_target *target, __u64 now)
{
    if (!d || d->tick == now || target->once || mac_is_multicast(inner->h_dest))
        return;
    d->from = o->src;
    copy_macs(d->macs, inner);
    d->vni = o->vxlan.vni;
    d->dport = o->dport;
    d->slot = target->vtep->slot;
    d->remote = target->sender;
    d->ifindex = target->ifindex;
    d->tick = now;
}

/* To the local port, or up to TC. */
static __always_inline int xdp_decapsulate(struct xdp_md *xdp, const struct xdp_target *target,
                                           const struct outer *o, __u64 now)
{
    struct xv_remote *sender = remote_by_id(target->sender);

    return target->ifindex ? xdp_to_port(xdp, target->vtep, sender, o, target->ifindex, now)
                           : xdp_hand_up(xdp, target->vtep, sender, o);
}

#endif
