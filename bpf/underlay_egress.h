/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel's device has sent, at the egress of an underlay port: see bpf/nexthop.h. */
#ifndef XVTEP_BPF_WATCH_H
#define XVTEP_BPF_WATCH_H

#include "bpf/pmtu.h"
#include "bpf/tc.h"

/* An outer packet that is plain VXLAN of ours. */
struct sent {
    struct xv_nexthop_key key;
    struct xv_nexthop nexthop;
    __u32 vni;
    __u8 mac[6];   /* of the inner frame, destination */
    __u8 fragment; /* any */
    __u8 later;    /* one behind the first: only key.to is known */
};

/* XV_CONTINUE; XV_NOT_UDP where nothing can be said: wrapped again (IPsec), or cut short. */
static __always_inline int parse_sent(struct __sk_buff *skb, struct sent *w)
{
    struct cursor c = tc_linear(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct xv_vxlan_header *vxlan;
    struct xv_addr from;
    struct udphdr *udp;
    __u8 proto;

    if (!eth)
        return XV_NOT_UDP;
    mac_copy(w->nexthop.dmac, eth->h_dest);
    mac_copy(w->nexthop.smac, eth->h_source);
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || ip->ihl != 5)
            return XV_NOT_UDP;
        addr_from_v4(&from, ip->saddr);
        addr_from_v4(&w->key.to, ip->daddr);
        w->key.tos = ip->tos & ~3;
        w->fragment = !!(ip->frag_off & bpf_htons(XV_IP_FRAGMENT));
        w->later = !!(ip->frag_off & bpf_htons(0x1fff));
        proto = ip->protocol;
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return XV_NOT_UDP;
        addr_from_v6(&from, ip->saddr.in6_u.u6_addr32);
        addr_from_v6(&w->key.to, ip->daddr.in6_u.u6_addr32);
        w->key.tos = (ip->priority << 4 | ip->flow_lbl[0] >> 4) & ~3;
        w->fragment = w->later = ip->nexthdr == IPPROTO_FRAGMENT;
        proto = w->fragment ? IPPROTO_UDP : ip->nexthdr;
    } else {
        return XV_NOT_UDP;
    }
    if (proto != IPPROTO_UDP)
        return XV_NOT_UDP;
    if (w->later)
        return XV_CONTINUE;
    udp = take(&c, sizeof(*udp));
    vxlan = take(&c, sizeof(*vxlan));
    eth = take(&c, sizeof(*eth));
    if (!udp || !vxlan || !eth)
        return XV_NOT_UDP;
    mac_copy(w->mac, eth->h_dest);
    w->key.from = xv_address_mix(&from);
    w->key.port = udp->dest;
    w->vni = bpf_ntohl(vxlan->vni) >> 8;
    return XV_CONTINUE;
}

/* The L3 size of a packet that left whole, or of the segments of a GSO packet. */
XV_STEP int sent_size(struct __sk_buff *skb)
{
    struct cursor c = tc_linear(skb, XV_LINEAR + 64);
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct inner in = {};
    __u32 outer;

    if (!skb->gso_size)
        return skb->len - ETH_HLEN;
    if (!eth)
        return 0;
    outer = eth->h_proto == bpf_htons(ETH_P_IPV6) ? XV_OUTER_V6 : XV_OUTER_V4;
    if (!take(&c, outer - ETH_HLEN))
        return 0;
    eth = take(&c, sizeof(*eth));
    if (!eth)
        return 0;
    parse_inner(&c, &in, eth, eth->h_proto, ETH_HLEN);
    return skb->gso_size + in.headers + outer - ETH_HLEN;
}

/* What the kernel's device was asked for has come out. */
static __always_inline void entry_answered(const struct sent *w)
{
    struct xv_vtep *vtep = vtep_by_vni(w->vni, w->key.port);
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    if (!vtep)
        return;
    fdb_key(&key, vtep, w->mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry && entry->flags & XV_FDB_UNANSWERED_MAX)
        entry->flags &= ~XV_FDB_UNANSWERED_MAX;
}

static __always_inline void nexthop_learn(struct __sk_buff *skb, struct sent *w, int via, __u64 now)
{
    struct xv_underlay *underlay;
    struct xv_nexthop *known;
    __u32 size = sent_size(skb);

    w->nexthop.proven_size = size < 0xffff ? size : 0xffff;
    w->key.mark = skb->mark;
    w->key.oif = via ? skb->ifindex : 0;
    known = bpf_map_lookup_elem(&nexthops, &w->key);
    if (known &&
        now < known->expires) { /* one of many: of segments, of what the kernel has to send */
        if (known->proven_size < w->nexthop.proven_size)
            known->proven_size = w->nexthop.proven_size;
        return;
    }
    entry_answered(w);
    w->nexthop.ifindex = skb->ifindex;
    underlay = bpf_map_lookup_elem(&underlays, &w->nexthop.ifindex);
    w->nexthop.xdp = underlay && underlay->xdp_xmit;
    w->nexthop.mtu = pmtu_of(&w->key.to, now);
    w->nexthop.expires = now + XV_NEXTHOP_LIFE;
    bpf_map_update_elem(&nexthops, &w->key, &w->nexthop, BPF_ANY);
}

/* A frame that our FDB has no entry for, and counted as no_tx_target, was sent all the same. */
static __always_inline void recount_no_entry(struct __sk_buff *skb, const struct sent *w)
{
    struct xv_vtep *vtep = vtep_by_vni(w->vni, w->key.port);
    struct xv_counters *c = vtep ? counters_of(vtep->slot) : NULL;
    __u32 packets = tc_packets(skb);

    if (!c)
        return;
    c->reason[XV_NO_TX_TARGET] -= packets; /* another CPU's may go below 0: only the sum counts */
    c->reason[XV_KERNEL_TABLE] += packets;
}

/*
 * A frame has come out for another VTEP than its entry's. What the kernel's device has forgotten,
 * or knows better, is forgotten here, too, and the frame goes where that device would send it
 * anyway; but what was said by hand, to be kept, holds.
 */
static __always_inline int misdirected(const struct sent *w)
{
    struct xv_vtep *vtep;
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    if (w->later)
        return XV_MISDIRECTED;
    if (!port_is_ours(w->key.port))
        return XV_CONTINUE;
    vtep = vtep_by_vni(w->vni, w->key.port);
    if (!vtep)
        return XV_MISDIRECTED;
    fdb_key(&key, vtep, w->mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry || entry->flags & (XV_FDB_NOAGE | XV_FDB_LOCAL))
        return XV_MISDIRECTED;
    fdb_remove(vtep, &key);
    return XV_CONTINUE;
}

/* XV_CONTINUE, or a drop reason. */
XV_STEP int check_sent(struct __sk_buff *skb)
{
    __u32 mark = skb->tc_index, via = mark & XV_MARK_EXPECT_PORT, expected;
    struct sent w = {};

    if (parse_sent(skb, &w) != XV_CONTINUE)
        return XV_CONTINUE;
    if (mark == XV_MARK_NO_ENTRY) {
        if (!w.later)
            recount_no_entry(skb, &w);
        return XV_CONTINUE;
    }
    expected = expect_mark(&w.key.to, w.vni, w.key.port);
    mark &= ~XV_MARK_EXPECT_PORT;
    if (mark != (XV_MARK_EXPECT | XV_MARK_EXPECT_ANY) &&
        (mark ^ expected) & (w.later ? ~XV_MARK_EXPECT_TUNNEL : ~0))
        return misdirected(&w);
    if (!w.fragment)
        nexthop_learn(skb, &w, via, bpf_ktime_get_coarse_ns());
    else if (!w.later)
        entry_answered(&w);
    return XV_CONTINUE;
}

#endif
