/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops. The kernel routes and resolves; we watch it and remember.
 *
 *   encap -- fresh in `hops`? -- yes --> write its MACs, bpf_redirect
 *                              `- no ---> bpf_redirect_neigh, tagged with XV_ASK in tc_index
 *   egress of the underlay port: a tagged frame has its final MACs --> `hops`, for a second
 *
 * So a packet a second goes the kernel's way: it keeps the neighbour entry in use (and probed),
 * queues while the neighbour is unresolved, and picks up a changed route.
 */
#ifndef XVTEP_BPF_HOP_H
#define XVTEP_BPF_HOP_H

#include <linux/if_ether.h>

#include "bpf/fdb.h"
#include "bpf/parse.h"

#define XV_HOP_LIFE (1 * XV_SECOND)
#define XV_ASK 0x7876
#define XV_ASK_ROUTE 0x7879 /* the route chose the port: remembered for any */

/* The underlay port that packets to `dest` leave by; several: see pick in README, "Limits". */
static __always_inline __u32 hop_oif(const struct xv_vtep *vtep, const struct xv_dest *dest)
{
    return dest->ifindex ? dest->ifindex : vtep->underlays[0];
}

static __always_inline struct xv_hop *hop_find(const struct xv_addr *addr, __u32 oif, __u64 now)
{
    struct xv_hop_key key = {.addr = *addr, .oif = oif};
    struct xv_hop *hop = bpf_map_lookup_elem(&hops, &key);

    return hop && now < hop->expires ? hop : NULL;
}

#endif
