/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks the host's routing and neighbour tables for the next hop of outer packets.
 *
 * The question is that of a local sender: the kernel takes `lo` as the device a packet came in by.
 * It answers only if that device forwards, so attach sets net.ipv4.conf.lo.forwarding, and the same
 * for IPv6. Nothing else changes by that: no packet to be routed ever comes in by `lo`.
 */
#ifndef XVTEP_BPF_FIB_H
#define XVTEP_BPF_FIB_H

#include <linux/in.h>

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/hop.h"
#include "bpf/maps.h"

#define XV_FIB_LO 1 /* the ifindex of `lo` in every namespace */
#define XV_FIB_V4 2 /* AF_INET; sys/socket.h clashes with the kernel's headers */
#define XV_FIB_V6 10
#define XV_FIB_SIZE 68 /* of the packet: every path lets it pass */

/*
 * Asks for packets of multipath_work.key from multipath_work.from. A route with several next hops
 * looks at what `number` changes in them: the UDP source port or flow label, and for
 * fib_multipath_hash_policy=0, with `by_source`, the source address. Number 0 has the true one.
 *
 * Sets multipath_work.answer; its dmac is all zeros if the neighbour is not resolved, and smac then
 * depends on its address. Returns whether there is a hop.
 */
XV_STEP int fib_look_up(struct __sk_buff *skb, __u32 number, __u32 by_source)
{
    __u32 zero = 0, gateway;
    struct multipath_work *work = bpf_map_lookup_elem(&multipath_work, &zero);
    struct xv_nexthop_key *key;
    struct bpf_fib_lookup *query;
    struct xv_hop *hop;
    __u32 ifindex, xmit;
    int answer;

    if (!work)
        return 0;
    key = &work->key;
    query = &work->query;
    hop = &work->answer;
    __builtin_memset(query, 0, sizeof(*query)); /* not by a literal, built on the stack first */
    query->l4_protocol = IPPROTO_UDP;
    query->sport = bpf_htons(49152 + number * 61);
    query->dport = key->dstport;
    query->tot_len = XV_FIB_SIZE;
    query->ifindex = XV_FIB_LO;
    if (addr_is_v4(&key->dst)) {
        query->family = XV_FIB_V4;
        query->tos = key->tos;
        query->ipv4_src = work->from.word[3];
        if (by_source)
            query->ipv4_src ^= bpf_htonl(number);
        query->ipv4_dst = key->dst.word[3];
    } else {
        query->family = XV_FIB_V6;
        query->flowinfo = bpf_htonl((__u32)key->tos << 20 | number);
        __builtin_memcpy(query->ipv6_src, &work->from, 16);
        __builtin_memcpy(query->ipv6_dst, &key->dst, 16);
    }
    answer = bpf_fib_lookup(skb, query, sizeof(*query), 0);
    if ((answer != BPF_FIB_LKUP_RET_SUCCESS && answer != BPF_FIB_LKUP_RET_NO_NEIGH) ||
        (key->oif && query->ifindex != key->oif))
        return 0;
    __builtin_memset(hop, 0, sizeof(*hop));
    hop->ifindex = ifindex = query->ifindex;
    xmit = xmit_of(ifindex);
    if (xmit & XV_XMIT_KERNEL)
        return 0;
    if (xmit & XV_XMIT_L3) /* whatever neighbour the kernel may keep there */
        hop->dmac[0] = XV_L3_MAC;
    else if (answer == BPF_FIB_LKUP_RET_SUCCESS) {
        __builtin_memcpy(hop->dmac, query->dmac, 6);
        __builtin_memcpy(hop->smac, query->smac, 6);
    } else { /* tells such next hops apart */
        gateway = query->ipv6_dst[0];
        if (query->family == XV_FIB_V6)
            gateway ^= query->ipv6_dst[1] ^ query->ipv6_dst[2] ^ query->ipv6_dst[3];
        __builtin_memcpy(hop->smac, &gateway, sizeof(gateway));
    }
    return 1;
}

#endif
