/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops. The host routes and resolves; we watch it and remember, for a second.
 *
 *   encap -- fresh in `hops`, and of a proven_size size? -- yes --> write its MACs, bpf_redirect
 *                                                  `- no ---> the kernel's device, with
 * XV_MARK_EXPECT egress of the underlay port (tc_underlay_egress): the packet has its final MACs
 * --> `hops`
 *
 * So a packet a second goes the kernel's way, with all that it goes by there: rules for ports,
 * marks and source addresses, a route's own MTU, blackholes, netfilter, xfrm policies. What does
 * not come out as plain VXLAN to the entry's VTEP is never remembered, and so never repeated.
 */
#ifndef XVTEP_BPF_HOP_H
#define XVTEP_BPF_HOP_H

#include <linux/if_ether.h>

#include "bpf/fdb.h"
#include "bpf/marks.h"
#include "bpf/parse.h"

#define XV_NEXTHOP_LIFE (1 * XV_SECOND)
#define XV_MTU_SAFE 576 /* smaller packets pass any underlay: IPv4's least maximum */

/* The underlay port that packets to `dest` have to leave by, or 0: the route decides. */
static __always_inline __u32 nexthop_oif(const struct xv_vtep *vtep, const struct xv_remote *dest)
{
    if (dest->ifindex)
        return dest->ifindex;
    return vtep->underlay_count == 1 ? vtep->underlays[0] : 0;
}

static __always_inline struct xv_nexthop *nexthop_find(const struct xv_vtep *vtep,
                                                       const struct xv_remote *dest, __u32 mark,
                                                       __u8 tos, __u64 now)
{
    struct xv_nexthop_key key = {
        .to = dest->addr,
        .from = xv_address_mix(&vtep->local),
        .oif = nexthop_oif(vtep, dest),
        .mark = mark,
        .port = dest->port,
        .tos = tos & ~3,
    };
    struct xv_nexthop *nexthop = bpf_map_lookup_elem(&nexthops, &key);

    return nexthop && now < nexthop->expires ? nexthop : NULL;
}

/* The mark of a packet that the kernel's device is to send there. */
static __always_inline __u16 expect_mark(const struct xv_addr *to, __u32 vni, __be16 port)
{
    __u32 address = (xv_address_mix(to) * 0x9e3779b97f4a7c15ULL >> 40) % 255 + 1;
    __u32 tunnel =
        (((__u64)vni << 16 | port) * 0x9e3779b97f4a7c15ULL >> 40) & XV_MARK_EXPECT_TUNNEL;

    return XV_MARK_EXPECT | address << 5 | tunnel;
}

#endif
