/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to a remote. The host routes and resolves; the programs watch it, and remember.
 *
 *   encapsulation: the remote has a fresh way that has sent a packet of this size
 *                  yes: write its MACs, bpf_redirect()
 *                  no:  the kernel's device sends the frame, which has XV_MARK_EXPECT
 *   tc_underlay_egress: the packet has its final MACs, which go into `nexthops`
 *
 * So a packet a second takes the kernel's way, which goes by rules for ports, marks and source
 * addresses, a route's own MTU, blackholes, netfilter and xfrm policies. A packet that does not
 * leave as plain VXLAN to its entry's VTEP is not remembered, and so it is not repeated.
 *
 * In between, 60 times a second, the routing and neighbour tables are compared with the way
 * (fib.h). If they lead elsewhere now, it is forgotten at once, and the kernel decides. Where they
 * cannot tell (a VRF, a mark, a rule), the kernel is asked 30 times a second instead of once.
 *
 *   nexthops[addresses, port, mark, TOS]   shared by all VTEPs
 *     └─ copied into remotes[…].path       for the VTEP's usual TOS and no mark; valid for 17 ms
 */
#ifndef XVTEP_BPF_NEXTHOP_H
#define XVTEP_BPF_NEXTHOP_H

#include "bpf/common.h"
#include "bpf/ecn.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/multipath.h"
#include "bpf/remote.h"
#include "bpf/skb.h"
#include "bpf/source_addr.h"

#define XV_NEXTHOP_LIFE (1 * XV_SECOND)
#define XV_NEXTHOP_LIFE_BLIND (32 * XV_SECOND / 1000) /* if the tables cannot tell */
#define XV_NEXTHOP_CHECK 16                           /* units of xv_stamp() */
#define XV_RESOLVE_TIME (XV_SECOND / 8) /* in which a next hop's MAC is usually there */
#define XV_FRESH_MOST 0x10000           /* the same: what is further ahead is 52 days old */
#define XV_MTU_SAFE 576 /* any underlay passes packets of this size: IPv4's smallest maximum */

/* Whether the VTEP's packets leave by its only underlay port, whatever the routes say. */
static __always_inline int is_bound(const struct xv_vtep *vtep)
{
    /* A device with many VNIs is bound to no port: the kernel has no metadata for that. */
    return vtep->underlay_count == 1 && !vtep->vid && !(vtep->flags & XV_VTEP_ROUTED);
}

/* The underlay port that packets to the remote must leave by, or 0: the route decides. */
static __always_inline __u32 nexthop_oif(const struct xv_vtep *vtep, const struct xv_remote *remote)
{
    if (remote->via)
        return remote->via;
    return is_bound(vtep) ? vtep->underlays[0] : 0;
}

/* The key for packets to the remote with this skb->mark and TOS. */
static __always_inline void nexthop_key(struct xv_nexthop_key *key, const struct xv_vtep *vtep,
                                        const struct xv_remote *remote, __u32 mark, __u8 tos)
{
    /* Not by a compound literal, which would be built on the stack first. */
    key->dst = remote->addr;
    key->src_hash = xv_address_mix(&vtep->local);
    key->oif = nexthop_oif(vtep, remote);
    key->mark = mark;
    key->dstport = remote->port;
    key->tos = tos & ~XV_ECN_MASK;
    key->zero = 0;
    key->zero2 = 0;
}

/* Whether packets with this mark and TOS may use the path that the remote has a copy of. */
static __always_inline int is_usual(const struct xv_vtep *vtep, __u32 mark, __u8 tos)
{
    __u8 usual = vtep->flags & XV_VTEP_TOS_INHERIT ? 0 : vtep->tos;

    return !mark && !((tos ^ usual) & ~XV_ECN_MASK);
}

/* Whether the copy is valid: for some milliseconds from the last comparison on. */
static __always_inline int path_is_fresh(const struct xv_remote *remote, __u64 now)
{
    return remote->fresh_until - xv_stamp(now) - 1 < XV_FRESH_MOST;
}

/*
 * Whether the tables still lead where the next hop does. The next hops of a multipath route are
 * asked for one by one.
 */
XV_STEP int nexthop_agrees(struct __sk_buff *skb, const struct xv_nexthop_key *key,
                           const struct xv_addr *from, const struct xv_nexthop *nexthop)
{
    struct multipath_work *work;
    __u32 same = 1;
    struct xv_multipath *m;

    if (!key || !from || !nexthop)
        return 0;
    work = multipath_begin(key, from);
    if (!work)
        return 0;
    if (nexthop->path.hops <= 1)
        return fib_look_up(skb, 0, 0) && hop_equal(&work->answer, &nexthop->path.hop);
    m = bpf_map_lookup_elem(&multipaths, &work->key);
    for (__u32 i = 0; m && same && i < XV_HOPS_MAX && i < m->hops; i++)
        same = fib_look_up(skb, m->sample[i], m->by_source) && hop_equal(&work->answer, &m->hop[i]);
    return m && same;
}

/*
 * Sets *path to the way to the remote for packets with this TOS and the skb's mark, and renews the
 * remote's copy. Returns whether there is one.
 */
static __always_inline int path_renew(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                      struct xv_remote *remote, struct xv_path *path, __u8 tos)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    struct xv_nexthop_key key;
    struct xv_nexthop *nexthop;
    __u32 stamp = xv_stamp(now);

    nexthop_key(&key, vtep, remote, skb->mark, tos);
    nexthop = bpf_map_lookup_elem(&nexthops, &key);
    if (!nexthop || now >= nexthop->expires)
        return 0;
    if (nexthop->checked && stamp - nexthop->checked >= XV_NEXTHOP_CHECK) {
        if (own_source_is_gone(skb, vtep))
            nexthop->path.hops = 0;
        else if (!nexthop_agrees(skb, &key, &vtep->local, nexthop))
            nexthop->path.hops = nexthop->path.hops > 1
                                     ? multipath_learn(skb, &key, &vtep->local, &nexthop->path.hop)
                                     : 0;
        if (!nexthop->path.hops) {
            nexthop->expires = 0;
            remote->fresh_until = 0;
            return 0;
        }
        nexthop->checked = stamp | 1; /* 0 means that they cannot be compared */
    }
    *path = nexthop->path;
    if (is_usual(vtep, skb->mark, tos)) {
        remote->path = nexthop->path;
        remote->fresh_until =
            nexthop->checked ? nexthop->checked + XV_NEXTHOP_CHECK + 1 : xv_stamp(nexthop->expires);
    }
    return 1;
}

/*
 * Whether the kernel should get this packet for the next hop, to resolve it. While it tries, it
 * keeps the packets; but if nobody has answered for a second, it would drop them: then only one
 * packet a second is for the next hop, and the others take another one.
 */
static __always_inline int hop_is_to_ask(struct xv_multipath *m, __u64 n, __u64 now)
{
    __u64 since = m->resolved[n] ? xv_since(now, m->resolved[n]) : XV_SECOND;

    if (mac_is_zero(m->hop[n].dmac) && since < XV_SECOND)
        return since < XV_RESOLVE_TIME && !(m->silent >> n & 1);
    if (!mac_is_zero(m->hop[n].dmac))
        m->silent &= ~(1 << n);
    else if (m->resolved[n])
        m->silent |= 1 << n;
    m->resolved[n] = xv_stamp(now) | 1; /* 0 means never */
    return 1;
}

/*
 * Sets tx->path to the next hop of the flow. A next hop that the kernel has not resolved within the
 * last second gets the packet through the kernel, which resolves it; a packet that is not plain IP,
 * and one to a next hop that does not answer, goes by the next hop of the kernel's device
 * meanwhile. `hash_and_tos`: the flow's hash, and the outer TOS in the lowest byte.
 */
XV_STEP int choose_hop(struct __sk_buff *skb, const struct xv_vtep *vtep,
                       const struct xv_remote *remote, struct tx_ctx *tx, __u64 hash_and_tos)
{
    struct multipath_work *work;
    struct xv_multipath *m;
    __u32 zero = 0;
    __u64 n;

    if (!vtep || !remote || !tx)
        return 0;
    work = bpf_map_lookup_elem(&multipath_work, &zero);
    if (!work)
        return 0;
    nexthop_key(&work->key, vtep, remote, skb->mark, hash_and_tos);
    work->from = vtep->local;
    m = bpf_map_lookup_elem(&multipaths, &work->key);
    if (!m)
        return 0;
    n = multipath_of_flow(m, hash_and_tos >> 8);
    if (hop_is_resolved(m, n, tx->now)) {
        tx->path.hop = m->hop[n];
        return 0;
    }
    if ((skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
        !fib_look_up(skb, m->sample[n], m->by_source) ||
        work->answer.ifindex != m->hop[n].ifindex || !hop_is_to_ask(m, n, tx->now))
        return 0;
    tx->path.hop = m->hop[n]; /* its MACs do not count, but tell whether there are any */
    work->gateway.nh_family = work->query.family;
    __builtin_memcpy(work->gateway.ipv6_nh, work->query.ipv6_dst, sizeof(work->gateway.ipv6_nh));
    tx->by_gateway = 1;
    return 0;
}

/* The mark of a packet that the kernel's device must send to this VTEP. */
static __always_inline __u16 expect_mark(const struct xv_addr *dst, __u32 vni, __be16 port)
{
    __u32 address = (xv_address_mix(dst) * 0x9e3779b97f4a7c15ULL >> 40) % 255 + 1;
    __u32 tunnel =
        (((__u64)vni << 16 | port) * 0x9e3779b97f4a7c15ULL >> 40) & XV_MARK_EXPECT_TUNNEL;

    return XV_MARK_EXPECT | address << 5 | tunnel;
}

#endif
