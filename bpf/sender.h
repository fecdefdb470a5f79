/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VTEPs that send to us. The kernel decides on each of them, once a second and whenever its
 * device has to decapsulate anyway (GSO packets, fragments, options, MACs to learn). So what a
 * firewall, an IPsec policy, rp_filter or a device that is down keeps out, is kept out here too.
 *
 *   tc_underlay_ingress: senders[index] = outer source; tc_index = XV_MARK_SENDER | index
 *   the kernel:          its rules, reassembly, decapsulation; its device learns the inner source
 *   tc_device_ingress:   the sender is admitted; check_source(), and fdb_learn() with its address
 */
#ifndef XVTEP_BPF_SENDER_H
#define XVTEP_BPF_SENDER_H

#include <linux/if_ether.h>
#include <linux/in.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/find_udp.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/parse_outer.h"
#include "bpf/remote.h"

#define XV_SENDER_WAYS 4
#define XV_SENDER_LIFE XV_SECOND /* an admission is valid for so long */
/*
 * In units of 2^30 ns: an index is given to another sender after so long without a packet of the
 * old one, so that no packet that is still on its way through the kernel gets another's address.
 * Fragments may wait for others up to a minute. They only take the upper ways of a set, so that
 * forged ones cannot keep the lower ones from VTEPs that are new.
 */
#define XV_SENDER_IDLE 8
#define XV_SENDER_IDLE_FRAGMENTS 60
#define XV_SENDER_WAY_FRAGMENTS 2 /* the first way for fragments */

static __always_inline int sender_is(const struct xv_sender *at, const struct xv_addr *addr,
                                     __be16 port)
{
    return at->port == port && addr_equal(&at->addr, addr);
}

static __always_inline int admission_is_valid(__u32 admitted, __u64 now)
{
    return admitted && xv_since(now, admitted) < XV_SENDER_LIFE;
}

/* The first way of the set of a sender. */
static __always_inline __u32 sender_set(const struct xv_addr *addr, __be16 port)
{
    return xv_sender_index(addr, port) & ~(XV_SENDER_WAYS - 1);
}

/*
 * When the kernel last admitted a packet of this sender, as xv_stamp(); 0: never. The sender may
 * have two indexes, one of them for its fragments.
 */
XV_STEP int sender_admitted(const struct xv_addr *addr, __u32 port)
{
    __u32 set, admitted = 0;

    if (!addr)
        return 0;
    set = sender_set(addr, port);
    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 index = set | n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &index);

        if (at && sender_is(at, addr, port) && (!admitted || (__s32)(at->admitted - admitted) > 0))
            admitted = at->admitted;
    }
    return admitted;
}

/*
 * Whether the kernel has admitted a packet of this sender within the last second. `remote`: the
 * sender, which has a copy of the admission, or NULL.
 */
static __always_inline int is_admitted(struct xv_remote *remote, const struct xv_addr *addr,
                                       __be16 port, __u64 now)
{
    __u32 admitted;

    if (remote && admission_is_valid(remote->admitted, now))
        return 1;
    admitted = sender_admitted(addr, port);
    if (!admission_is_valid(admitted, now))
        return 0;
    if (remote)
        remote->admitted = admitted;
    return 1;
}

/* Whether another sender may have the index, which is way `n` of its set. */
static __always_inline int sender_is_idle(const struct xv_sender *at, __u32 n, __u16 last_marked)
{
    const __u16 idle = last_marked - at->last_marked;

    return !at->last_marked ||
           idle > (n < XV_SENDER_WAY_FRAGMENTS ? XV_SENDER_IDLE : XV_SENDER_IDLE_FRAGMENTS);
}

/*
 * Returns the mark for a packet of this sender, from its index in `senders`. A new sender takes an
 * index that is free or idle; returns 0, no mark, if none is. `way`: the first way that the packet
 * may have, 0 or XV_SENDER_WAY_FRAGMENTS.
 */
XV_STEP int sender_mark(const struct xv_addr *addr, __u32 port, __u32 way, __u64 now)
{
    struct xv_sender fresh = {.port = port, .last_marked = now >> 30 | 1};
    __u32 set;

    if (!addr)
        return 0;
    fresh.addr = *addr;
    set = sender_set(addr, port);
    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 index = set | n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &index);

        if (!at)
            return 0;
        if (n >= way && sender_is(at, addr, port)) {
            if (at->last_marked != fresh.last_marked)
                at->last_marked = fresh.last_marked;
            return XV_MARK_SENDER | index;
        }
    }
    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 index = set | n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &index);

        if (at && n >= way && sender_is_idle(at, n, fresh.last_marked)) {
            bpf_map_update_elem(&senders, &index, &fresh, BPF_ANY);
            return XV_MARK_SENDER | index;
        }
    }
    return 0;
}

/* Whether the IP packet of the skb is a fragment, or of IPv6, may be one. */
static __always_inline int may_be_fragment(struct __sk_buff *skb)
{
    __be16 frag_off = 0;
    __u8 next = 0;

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        bpf_skb_load_bytes(skb, ETH_HLEN + 6, &frag_off, sizeof(frag_off));
        return frag_off & bpf_htons(XV_IP_MORE | XV_IP_OFFSET);
    }
    bpf_skb_load_bytes(skb, ETH_HLEN + 6, &next, sizeof(next));
    return next != IPPROTO_UDP; /* a fragment header may stand behind others */
}

/*
 * Marks a packet that is left to the kernel with its sender, if it is for one of our UDP ports. Of
 * fragments that is the first: the kernel keeps its mark for the whole packet. The others have no
 * port, and would take a place each.
 */
XV_STEP int mark_sender(struct __sk_buff *skb)
{
    struct xv_addr from;
    __u32 at = find_udp(skb, &from), way;
    __be16 port;

    if (!at || bpf_skb_load_bytes(skb, at + 2, &port, sizeof(port)) || !port_is_ours(port))
        return 0;
    way = may_be_fragment(skb) ? XV_SENDER_WAY_FRAGMENTS : 0;
    skb->tc_index = sender_mark(&from, port, way, bpf_ktime_get_coarse_ns());
    return 0;
}

static __always_inline struct xv_sender *sender_of_mark(__u32 mark)
{
    __u32 index = mark & (XV_SENDERS - 1);
    struct xv_sender *at;

    if ((mark & XV_MARK_TYPE) != XV_MARK_SENDER)
        return NULL;
    at = bpf_map_lookup_elem(&senders, &index);
    return at && at->last_marked ? at : NULL;
}

#endif
