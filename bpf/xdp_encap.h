/* SPDX-License-Identifier: GPL-2.0-only */
/* Encapsulates a frame in XDP. */
#ifndef XVTEP_BPF_XDP_ENCAP_H
#define XVTEP_BPF_XDP_ENCAP_H

#include <linux/if_ether.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/cursor.h"
#include "bpf/encap.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/nexthop.h"
#include "bpf/parse_inner.h"
#include "bpf/xdp.h"

/* Whether the TC program must handle the frame: for skb->mark, `proxy` or `rsc`. */
static __always_inline int xdp_is_for_tc(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                         const struct xv_fdb *entry)
{
    return vtep->flags & XV_VTEP_GBP ||
           (vtep->flags & XV_VTEP_PROXY &&
            (eth->h_proto == bpf_htons(ETH_P_ARP) || eth->h_proto == bpf_htons(ETH_P_IPV6))) ||
           (vtep->flags & XV_VTEP_RSC && entry->flags & XV_FDB_ROUTER);
}

/* Builds the outer headers where xdp_encap() has made room. `size`: of the inner frame. */
static __always_inline int xdp_build_headers(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                             const struct xv_remote *dest, const struct inner *in,
                                             const struct xv_nexthop *nexthop, __u32 size)
{
    struct ethhdr *eth = (void *)(long)xdp->data;
    void *end = (void *)(long)xdp->data_end;

    if (vtep->flags & XV_VTEP_V6) {
        struct outer_v6 *outer = (void *)(eth + 1);

        if ((void *)(outer + 1) > end)
            return XV_REWRITE_FAILED;
        build_outer_v6(eth, outer, vtep, dest, in, nexthop, size);
    } else {
        struct outer_v4 *outer = (void *)(eth + 1);

        if ((void *)(outer + 1) > end)
            return XV_REWRITE_FAILED;
        build_outer_v4(eth, outer, vtep, dest, in, nexthop, size);
    }
    return XV_CONTINUE;
}

/* Encapsulates, if a fresh next hop has sent packets of this size; else passes to TC. */
static __always_inline int xdp_encap(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                     struct cursor *c, struct ethhdr *eth, struct xv_fdb *entry,
                                     __u64 now)
{
    const struct xv_remote *dest = &entry->dest;
    __u32 size = bpf_xdp_get_buff_len(xdp), l3_size;
    struct inner in = {};
    struct xv_nexthop *nexthop;

    parse_inner(c, &in, eth, eth->h_proto, ETH_HLEN);
    nexthop = nexthop_find(vtep, dest, 0, outer_tos(vtep, &in), now);
    l3_size = size + outer_size(vtep) - ETH_HLEN;
    if (in.cut || !nexthop || !nexthop->xdp || needs_csum(vtep) || size > 0xffff - XV_OUTER_V6 ||
        (l3_size > XV_MTU_SAFE && l3_size > nexthop->proven_size) ||
        addr_is_multicast(&dest->addr) ||
        exceeded_mtu(xdp, nexthop->ifindex, nexthop->mtu, l3_size))
        return XDP_PASS;
    if (bpf_xdp_adjust_head(xdp, -(int)outer_size(vtep)))
        return XDP_PASS;
    if (xdp_build_headers(xdp, vtep, dest, &in, nexthop, size) != XV_CONTINUE)
        return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
    fdb_touch(&entry->used, now);
    count_tx(vtep->slot, 1, size);
    return bpf_redirect_map(&alive, nexthop->ifindex, XDP_DROP);
}

#endif
