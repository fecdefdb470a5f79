/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Egress of an underlay port: the packets that the kernel's device sends. The next hop is learned
 * from them (bpf/nexthop.h), and their VTEP is compared with the one that our FDB has.
 */
#ifndef XVTEP_BPF_UNDERLAY_EGRESS_H
#define XVTEP_BPF_UNDERLAY_EGRESS_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/cursor.h"
#include "bpf/ecn.h"
#include "bpf/fdb.h"
#include "bpf/fdb_count.h"
#include "bpf/fdb_expiry.h"
#include "bpf/hop.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/nexthop.h"
#include "bpf/parse_inner.h"
#include "bpf/parse_outer.h"
#include "bpf/pmtu.h"
#include "bpf/skb.h"
#include "bpf/source_addr.h"
#include "bpf/stranger.h"
#include "bpf/vtep.h"

/* An outer packet that is plain VXLAN of ours. */
struct sent {
    struct xv_nexthop_key key;
    struct xv_nexthop nexthop;
    struct xv_addr from;
    __u32 vni;
    __u8 mac[6];         /* destination of the inner frame */
    __u8 fragment;       /* it is a fragment */
    __u8 later_fragment; /* it is not the first fragment: only key.dst is known */
};

/* How the packets of the port begin. A constant, so that each program has one way alone. */
enum port_kind { XV_PORT_ETHERNET, XV_PORT_L3 };

/* Returns XV_CONTINUE, or XV_NOT_UDP: another protocol (as IPsec), or cut short. */
static __always_inline int parse_sent(struct __sk_buff *skb, struct sent *s, enum port_kind kind)
{
    struct cursor c = skb_pull(skb, XV_LINEAR);
    struct xv_vxlan_header *vxlan;
    __be16 l3_proto = skb->protocol;
    struct udphdr *udp;
    struct ethhdr *eth;
    __u8 proto;

    if (kind == XV_PORT_ETHERNET) {
        eth = take(&c, sizeof(*eth));
        if (!eth)
            return XV_NOT_UDP;
        mac_copy(s->nexthop.path.hop.dmac, eth->h_dest);
        mac_copy(s->nexthop.path.hop.smac, eth->h_source);
        l3_proto = eth->h_proto;
    } else {
        s->nexthop.path.hop.dmac[0] = XV_L3_MAC;
    }
    if (l3_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || ip->ihl != 5)
            return XV_NOT_UDP;
        addr_from_v4(&s->from, ip->saddr);
        addr_from_v4(&s->key.dst, ip->daddr);
        s->key.tos = ip->tos & ~XV_ECN_MASK;
        s->fragment = !!(ip->frag_off & bpf_htons(XV_IP_FRAGMENT));
        s->later_fragment = !!(ip->frag_off & bpf_htons(XV_IP_OFFSET));
        proto = ip->protocol;
    } else if (l3_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return XV_NOT_UDP;
        addr_from_v6(&s->from, ip->saddr.in6_u.u6_addr32);
        addr_from_v6(&s->key.dst, ip->daddr.in6_u.u6_addr32);
        s->key.tos = (ip->priority << 4 | ip->flow_lbl[0] >> 4) & ~XV_ECN_MASK;
        s->fragment = s->later_fragment = ip->nexthdr == IPPROTO_FRAGMENT;
        proto = s->fragment ? IPPROTO_UDP : ip->nexthdr;
    } else {
        return XV_NOT_UDP;
    }
    if (proto != IPPROTO_UDP)
        return XV_NOT_UDP;
    if (s->later_fragment)
        return XV_CONTINUE;
    udp = take(&c, sizeof(*udp));
    vxlan = take(&c, sizeof(*vxlan));
    eth = take(&c, sizeof(*eth));
    if (!udp || !vxlan || !eth)
        return XV_NOT_UDP;
    mac_copy(s->mac, eth->h_dest);
    s->key.src_hash = xv_address_mix(&s->from);
    s->key.dstport = udp->dest;
    s->vni = bpf_ntohl(vxlan->vni) >> 8;
    return XV_CONTINUE;
}

/*
 * The L3 size of the packet, or of the segments of a GSO packet; 0 if it cannot be parsed.
 * `l2_size`: of the outer L2 header.
 */
static __always_inline int sent_size(struct __sk_buff *skb, __u32 l2_size)
{
    struct cursor c = skb_pull(skb, XV_LINEAR + 64);
    struct inner in = {};
    struct ethhdr *eth;
    __u32 outer, v6;
    __u8 *bytes;

    if (!skb->gso_size)
        return skb->len - l2_size;
    bytes = take(&c, l2_size + 1);
    if (!bytes)
        return 0;
    /* IPv6's type has the highest bit; the version, the second. A branch would be two states. */
    v6 = l2_size ? bytes[12] >> 7 : bytes[0] >> 5;
    outer = XV_OUTER_V4 - ETH_HLEN + l2_size + (v6 & 1) * (XV_OUTER_V6 - XV_OUTER_V4);
    if (!take(&c, outer - l2_size - 1))
        return 0;
    eth = take(&c, sizeof(*eth));
    if (!eth)
        return 0;
    parse_inner(&c, &in, eth);
    if (in.extended)
        skb_parse_extensions(skb, &in, outer);
    return skb->gso_size + in.headers + outer - l2_size;
}

XV_STEP int sent_frame_size(struct __sk_buff *skb)
{
    return sent_size(skb, ETH_HLEN);
}

XV_STEP int sent_packet_size(struct __sk_buff *skb)
{
    return sent_size(skb, 0);
}

/* The kernel's device has sent a frame, so it has the entry: resets count_unanswered(). */
XV_STEP int entry_answered(const struct sent *s)
{
    struct xv_fdb_key key;
    struct xv_vtep *vtep;
    struct xv_fdb *entry;

    if (!s)
        return 0;
    vtep = vtep_by_vni_rarely(s->vni, s->key.dstport);
    if (!vtep)
        return 0;
    fdb_key(&key, vtep, s->mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry && entry->flags & XV_FDB_UNANSWERED_MAX)
        entry->flags &= ~XV_FDB_UNANSWERED_MAX;
    return 0;
}

/*
 * `port_named`: the entry, or the VTEP, names the underlay port. Returns how many next hops the
 * route has; 0: the routing table cannot tell.
 */
static __always_inline __u32 nexthop_learn(struct __sk_buff *skb, struct sent *s, int port_named,
                                           enum port_kind kind, __u64 now)
{
    __u32 size = kind == XV_PORT_L3 ? sent_packet_size(skb) : sent_frame_size(skb), hops, xmit;
    struct xv_nexthop *known;

    s->nexthop.path.proven_size = size < 0xffff ? size : 0xffff;
    s->key.mark = skb->mark;
    s->key.oif = port_named ? skb->ifindex : 0;
    known = bpf_map_lookup_elem(&nexthops, &s->key);
    if (known && now < known->expires) { /* a second segment, or another packet of the kernel */
        if (known->path.proven_size < s->nexthop.path.proven_size)
            known->path.proven_size = s->nexthop.path.proven_size;
        return known->path.hops;
    }
    entry_answered(s);
    s->nexthop.path.hop.ifindex = skb->ifindex;
    xmit = xmit_of(skb->ifindex);
    if (xmit & XV_XMIT_KERNEL)
        return 0;
    s->nexthop.path.xdp = xmit & XV_XMIT_XDP;
    s->nexthop.path.mtu = pmtu_of(&s->key.dst, now);
    /* bpf_fib_lookup() does not take a mark before Linux 6.10. */
    hops = skb->mark ? 0 : multipath_learn(skb, &s->key, &s->from, &s->nexthop.path.hop);
    s->nexthop.path.hops = hops;
    s->nexthop.checked = hops ? xv_stamp(now) | 1 : 0;
    s->nexthop.expires = now + (hops ? XV_NEXTHOP_LIFE : XV_NEXTHOP_LIFE_BLIND);
    bpf_map_update_elem(&nexthops, &s->key, &s->nexthop, BPF_ANY);
    return hops;
}

/* The kernel's device has sent a frame that was counted as no_tx_target: corrects the count. */
XV_STEP int recount_no_entry(struct __sk_buff *skb, const struct sent *s)
{
    __u32 packets = skb_packets(skb), slot;
    struct xv_counters *c;

    if (!s)
        return 0;
    slot = vtep_slot_by_vni(s->vni, s->key.dstport);
    c = counters_of(slot);
    if (!slot || !c)
        return 0;
    c->reason[XV_NO_TX_TARGET] -= packets; /* may go below 0 on this CPU; the sum is right */
    c->reason[XV_KERNEL_TABLE] += packets;
    return 0;
}

/*
 * The kernel's device sends a frame to another VTEP than its entry's. If it has forgotten the entry
 * or knows a newer one, the entry is removed here too, and the frame may go. But an entry that user
 * space wrote as static or permanent holds: the frame is dropped.
 */
XV_STEP int misdirected(const struct sent *s)
{
    struct xv_vtep *vtep;
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    if (!s || s->later_fragment)
        return XV_MISDIRECTED;
    if (!port_is_ours(s->key.dstport))
        return XV_CONTINUE;
    vtep = vtep_by_vni_rarely(s->vni, s->key.dstport);
    if (!vtep)
        return XV_MISDIRECTED;
    fdb_key(&key, vtep, s->mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry || entry->flags & (XV_FDB_NOAGE | XV_FDB_LOCAL))
        return XV_MISDIRECTED;
    fdb_remove(vtep, &key);
    return XV_CONTINUE;
}

struct sent_action {
    int action; /* of TC, with XV_CONTINUE */
};

/* Whether the kernel's device sends by an entry of its own to a VTEP that nobody named. */
XV_STEP int sent_to_stranger(const struct sent *s)
{
    struct xv_vtep *vtep;

    if (!s || s->later_fragment)
        return 0;
    vtep = vtep_by_vni_rarely(s->vni, s->key.dstport);
    return vtep &&
           (vtep->flags & XV_VTEP_LOCAL_AUTO ||
            addr_equal(&s->from, &vtep->local)) && /* else it is routed through here */
           is_stranger(vtep, &s->key.dst, bpf_ktime_get_coarse_ns());
}

/*
 * Checks a packet that has a mark, and learns from it. Returns XV_CONTINUE with *action set, or a
 * drop reason.
 */
static __always_inline int check_sent(struct __sk_buff *skb, struct sent_action *result,
                                      enum port_kind kind)
{
    __u32 mark = skb->tc_index, port_named = mark & XV_MARK_EXPECT_PORT, other_vni = 0, expected;
    struct sent s = {};

    if (!result || parse_sent(skb, &s, kind) != XV_CONTINUE)
        return XV_CONTINUE;
    if ((mark & XV_MARK_TYPE) == XV_MARK_EXPECT) {
        other_vni = mark & XV_MARK_EXPECT_OTHER_VNI;
        mark &= ~XV_MARK_EXPECT_OTHER_VNI;
    }
    if (mark == XV_MARK_NO_ENTRY || (mark & XV_MARK_TYPE) == XV_MARK_SENDER ||
        (mark & ~XV_MARK_EXPECT_PORT) == (XV_MARK_EXPECT | XV_MARK_EXPECT_ANY))
        if (sent_to_stranger(&s))
            return XV_UNKNOWN_REMOTE;
    if ((mark & XV_MARK_TYPE) == XV_MARK_SENDER)
        return XV_CONTINUE;
    if (!s.later_fragment && !other_vni && mark != XV_MARK_NO_ENTRY)
        follow_source(skb, &s.from, s.vni, s.key.dstport);
    if (mark == XV_MARK_NO_ENTRY) {
        if (!s.later_fragment)
            recount_no_entry(skb, &s);
        return XV_CONTINUE;
    }
    expected = expect_mark(&s.key.dst, s.vni, s.key.dstport);
    mark &= ~XV_MARK_EXPECT_PORT;
    if (mark != (XV_MARK_EXPECT | XV_MARK_EXPECT_ANY) &&
        (mark ^ expected) & (s.later_fragment ? ~XV_MARK_EXPECT_TUNNEL : ~0))
        return misdirected(&s);
    if (!s.fragment) {
        if (nexthop_learn(skb, &s, port_named, kind, bpf_ktime_get_coarse_ns()) > 1)
            result->action = kind == XV_PORT_L3 ? steer_l3(skb, &s.key) : steer(skb, &s.key);
    } else if (!s.later_fragment) {
        entry_answered(&s);
    }
    return XV_CONTINUE;
}

XV_STEP int check_sent_frame(struct __sk_buff *skb, struct sent_action *result)
{
    return check_sent(skb, result, XV_PORT_ETHERNET);
}

XV_STEP int check_sent_packet(struct __sk_buff *skb, struct sent_action *result)
{
    return check_sent(skb, result, XV_PORT_L3);
}

#endif
