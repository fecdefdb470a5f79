/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds a VTEP by its slot, by its device, or by VNI and UDP port. */
#ifndef XVTEP_BPF_VTEP_H
#define XVTEP_BPF_VTEP_H

#include "bpf/alive.h"
#include "bpf/maps.h"

static __always_inline struct xv_vtep *vtep_by_slot(__u32 slot)
{
    struct xv_vtep *vtep = bpf_map_lookup_elem(&vteps, &slot);

    return vtep && vtep->slot ? vtep : NULL;
}

/* Also NULL if the device has moved into another namespace, with our programs on it. */
static __always_inline struct xv_vtep *vtep_by_device(__u32 ifindex, __u64 now)
{
    __u32 *slot = bpf_map_lookup_elem(&devices, &ifindex);

    return slot && is_alive_now(ifindex, now) ? vtep_by_slot(*slot) : NULL;
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

/* As vtep_by_vni(), where it is rare: a step for the verifier. Returns the slot, or 0. */
XV_STEP int vtep_slot_by_vni(__u32 vni, __u32 dstport)
{
    struct xv_vtep *vtep = vtep_by_vni(vni, dstport);

    return vtep ? vtep->slot : 0;
}

static __always_inline struct xv_vtep *vtep_by_vni_rarely(__u32 vni, __be16 dstport)
{
    return vtep_by_slot(vtep_slot_by_vni(vni, dstport));
}

#endif
