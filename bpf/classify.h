/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the VTEP of a packet from the underlay, and makes the checks of vxlan_rcv(). */
#ifndef XVTEP_BPF_CLASSIFY_H
#define XVTEP_BPF_CLASSIFY_H

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/maps.h"
#include "bpf/parse_outer.h"
#include "bpf/vtep.h"

/*
 * Returns XV_CONTINUE or a reason. *found is the VTEP whose frame it is, in whose counters the
 * reason counts, or NULL: the reason then counts at the underlay port.
 */
static __always_inline int classify(const struct outer *o, struct xv_vtep **found)
{
    __u32 flags = bpf_ntohl(o->vxlan.flags), vni = bpf_ntohl(o->vxlan.vni) >> 8;
    struct xv_vtep *vtep = NULL;

    *found = NULL;
    if (flags & XV_VXLAN_FLAG_VNI)
        vtep = vtep_by_vni(vni, o->dport);
    if (!vtep || !(addr_equal(&o->dst, &vtep->local) ||
                   (addr_is_multicast(&o->dst) && addr_equal(&o->dst, &vtep->remote)))) {
        /* Off the fast path: now the costly look-up tells whether the address is ours at all. */
        if (!bpf_map_lookup_elem(&local_addrs, &o->dst))
            return XV_NOT_LOCAL;
        return flags & XV_VXLAN_FLAG_VNI ? vtep ? XV_NOT_LOCAL : XV_VXLAN_VNI_NOT_FOUND
                                         : XV_NO_VNI_FLAG;
    }
    *found = vtep;
    if (addr_equal(&o->src, &vtep->local) || addr_is_martian(&o->src))
        return XV_MARTIAN;
    if (o->v6 && !o->csum && !(vtep->flags & XV_VTEP_ZERO_CSUM6_RX))
        return XV_NO_UDP6_CSUM;
    if (flags & vtep->reserved_flags || bpf_ntohl(o->vxlan.vni) & vtep->reserved_vni)
        return XV_RESERVED_BITS;
    return XV_CONTINUE;
}

#endif
