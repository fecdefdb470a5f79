/* SPDX-License-Identifier: GPL-2.0-only */
/* Next hops, and how their ports send. */
#ifndef XVTEP_BPF_HOP_H
#define XVTEP_BPF_HOP_H

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/maps.h"

static __always_inline int hop_equal(const struct xv_hop *a, const struct xv_hop *b)
{
    return a->ifindex == b->ifindex && mac_equal(a->dmac, b->dmac) && mac_equal(a->smac, b->smac);
}

/* Whether packets leave by the next hop without an Ethernet header. */
static __always_inline int hop_is_l3(const struct xv_hop *hop)
{
    return !mac_is_zero(hop->dmac) && mac_is_zero(hop->smac);
}

/* How packets leave by this port: enum xv_xmit; 0 if it is no underlay port, too. */
static __always_inline __u32 xmit_of(__u32 ifindex)
{
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);

    return underlay ? underlay->xdp_xmit : 0;
}

#endif
