/* SPDX-License-Identifier: GPL-2.0-only */
/* The neighbour table of a VTEP, for `proxy` (bpf/proxy.h) and `rsc` (bpf/rsc.h). */
#ifndef XVTEP_BPF_NEIGH_H
#define XVTEP_BPF_NEIGH_H

#include "bpf/common.h"
#include "bpf/maps.h"

/* A live entry, or NULL. Removes a reachable entry that has expired. */
static __always_inline struct xv_neigh *neigh_find(const struct xv_vtep *vtep,
                                                   const struct xv_addr *addr, __u64 now)
{
    struct xv_neigh_key key = {.vni = vtep->vni, .dstport = vtep->dstport, .addr = *addr};
    struct xv_neigh *neigh = bpf_map_lookup_elem(&neighs, &key);

    if (neigh && !(neigh->flags & XV_NEIGH_PERMANENT) &&
        now > neigh->updated + vtep->reachable * XV_SECOND) {
        bpf_map_delete_elem(&neighs, &key);
        return NULL;
    }
    return neigh;
}

#endif
