/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `rsc`, route short-circuit: skips a router with the neighbour table, as the kernel's
 * route_shortcircuit().
 */
#ifndef XVTEP_BPF_RSC_H
#define XVTEP_BPF_RSC_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/miss.h"
#include "bpf/neigh.h"
#include "bpf/tx_ctx.h"

/*
 * If the neighbour table has the frame's IP destination, the frame goes there directly, from the
 * router's MAC; its TTL stays. Returns whether the MACs were rewritten.
 */
XV_STEP int short_circuit(struct __sk_buff *skb, const struct xv_vtep *vtep, __u64 now)
{
    struct xv_neigh *neigh;
    struct xv_addr target;
    struct ethhdr eth XV_ALIGN2;

    if (!vtep || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return 0;
    if (eth.h_proto == bpf_htons(ETH_P_IP)) {
        __be32 to;

        if (bpf_skb_load_bytes(skb, ETH_HLEN + __builtin_offsetof(struct iphdr, daddr), &to, 4))
            return 0;
        addr_from_v4(&target, to);
    } else if (eth.h_proto == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + __builtin_offsetof(struct ipv6hdr, daddr), &target,
                               sizeof(target)))
            return 0;
    } else {
        return 0;
    }
    neigh = neigh_find(vtep, &target, now);
    if (!neigh) {
        l3miss(skb, vtep, &target, now);
        return 0;
    }
    if (mac_equal(neigh->mac, eth.h_dest))
        return 0;
    __builtin_memcpy(eth.h_source, eth.h_dest, 6);
    __builtin_memcpy(eth.h_dest, neigh->mac, 6);
    return !bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0);
}

/*
 * Returns the entry that the frame goes to. That is `entry`, which the look-up found, unless it is
 * a router's and short_circuit() rewrites the frame.
 */
static __always_inline struct xv_fdb *rsc(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                          struct xv_fdb *entry, struct tx_ctx *tx)
{
    const __u8 *mac = tx->eth.h_dest;

    if (!entry || !(entry->flags & XV_FDB_ROUTER) || !(vtep->flags & XV_VTEP_RSC) ||
        mac_is_multicast(mac) || skb->vlan_present)
        return entry;
    if (!short_circuit(skb, vtep, tx->now))
        return entry;
    bpf_skb_load_bytes(skb, 0, &tx->eth, sizeof(tx->eth));
    tx->short_circuited = 1;
    return fdb_find_rarely(vtep, mac, tx->now);
}

#endif
