/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose packet is it: from an outer header to a VTEP, with the checks of vxlan_rcv(). */
#ifndef XVTEP_BPF_CLASSIFY_H
#define XVTEP_BPF_CLASSIFY_H

#include "bpf/fdb.h"
#include "bpf/parse.h"

static __always_inline struct xv_vtep *vtep_by_slot(__u32 slot)
{
    struct xv_vtep *vtep = bpf_map_lookup_elem(&vteps, &slot);

    return vtep && vtep->slot ? vtep : NULL;
}

static __always_inline struct xv_vtep *vtep_by_device(__u32 ifindex)
{
    __u32 *slot = bpf_map_lookup_elem(&devices, &ifindex);

    return slot ? vtep_by_slot(*slot) : NULL;
}

static __always_inline struct xv_vtep *vtep_by_vni(__u32 vni, __be16 dstport)
{
    struct xv_vni_key key = {.vni = vni, .dstport = dstport};
    __u32 hint = vni % XV_VNI_HINTS;
    __u32 *slot = bpf_map_lookup_elem(&vni_hints, &hint);

    if (slot && *slot) {
        struct xv_vtep *vtep = vtep_by_slot(*slot);

        if (vtep && vtep->vni == vni && vtep->dstport == dstport)
            return vtep;
    }
    slot = bpf_map_lookup_elem(&vnis, &key);
    return slot ? vtep_by_slot(*slot) : NULL;
}

/*
 * Sets *found and returns XV_CONTINUE, or a verdict; *found is then set where the frame is a
 * VTEP's (the verdict counts there), else NULL (it counts at the underlay port).
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
        /* Off the fast path: only now is it worth asking whether the address is ours at all. */
        if (!bpf_map_lookup_elem(&locals, &o->dst))
            return XV_NOT_LOCAL;
        return flags & XV_VXLAN_FLAG_VNI ? vtep ? XV_NOT_LOCAL : XV_UNKNOWN_VNI : XV_NO_VNI_FLAG;
    }
    *found = vtep;
    if (o->v6 && o->zero_csum && !(vtep->flags & XV_VTEP_ZERO_CSUM6_RX))
        return XV_NO_UDP6_CSUM;
    if (flags != XV_VXLAN_FLAG_VNI || o->vxlan.vni & bpf_htonl(0xff))
        return XV_RESERVED_BITS;
    return XV_CONTINUE;
}

/* The checks of vxlan_set_mac() on the inner source address, and learning. */
static __always_inline int admit(const struct xv_vtep *vtep, const struct outer *o,
                                 const __u8 *source, __u64 now)
{
    struct xv_dest dest = {};

    if (mac_equal(source, vtep->mac))
        return XV_OWN_SOURCE;
    if (mac_is_multicast(source) || mac_is_zero(source))
        return XV_BAD_SOURCE;
    if (!(vtep->flags & XV_VTEP_LEARNING))
        return XV_CONTINUE;
    dest.addr = o->src;
    dest.vni = vtep->vni;
    dest.port = vtep->dstport;
    return fdb_learn(vtep, source, &dest, 0, now);
}

#endif
