/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Next hops. The host routes and resolves; the programs watch it, and remember for a second.
 *
 *   encapsulation: `nexthops` has a fresh one that has sent a packet of this size
 *                  yes: write its MACs, bpf_redirect()
 *                  no:  the kernel's device sends the frame, which has XV_MARK_EXPECT
 *   tc_underlay_egress: the packet has its final MACs, which go into `nexthops`
 *
 * So a packet a second takes the kernel's way, which goes by rules for ports, marks and source
 * addresses, a route's own MTU, blackholes, netfilter and xfrm policies. A packet that does not
 * leave as plain VXLAN to its entry's VTEP is not remembered, and so it is not repeated.
 */
#ifndef XVTEP_BPF_NEXTHOP_H
#define XVTEP_BPF_NEXTHOP_H

#include "bpf/common.h"
#include "bpf/ecn.h"
#include "bpf/maps.h"
#include "bpf/marks.h"

#define XV_NEXTHOP_LIFE (1 * XV_SECOND)
#define XV_MTU_SAFE 576 /* any underlay passes packets of this size: IPv4's smallest maximum */

/* The underlay port that packets to `dest` must leave by, or 0: the route decides. */
static __always_inline __u32 nexthop_oif(const struct xv_vtep *vtep, const struct xv_remote *dest)
{
    if (dest->ifindex)
        return dest->ifindex;
    return vtep->underlay_count == 1 ? vtep->underlays[0] : 0;
}

/* A fresh next hop for packets to `dest` with this skb->mark and TOS, or NULL. */
static __always_inline struct xv_nexthop *nexthop_find(const struct xv_vtep *vtep,
                                                       const struct xv_remote *dest, __u32 mark,
                                                       __u8 tos, __u64 now)
{
    struct xv_nexthop_key key = {
        .dst = dest->addr,
        .src_hash = xv_address_mix(&vtep->local),
        .oif = nexthop_oif(vtep, dest),
        .mark = mark,
        .dstport = dest->port,
        .tos = tos & ~XV_ECN_MASK,
    };
    struct xv_nexthop *nexthop = bpf_map_lookup_elem(&nexthops, &key);

    return nexthop && now < nexthop->expires ? nexthop : NULL;
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
