/* SPDX-License-Identifier: GPL-2.0-only */
/* When an FDB entry expires. */
#ifndef XVTEP_BPF_FDB_EXPIRY_H
#define XVTEP_BPF_FDB_EXPIRY_H

#include "bpf/abi/tables.h"
#include "bpf/common.h"

#define XV_FDB_NOAGE (XV_FDB_STATIC | XV_FDB_PERMANENT)

/* Whether a learned entry for a remote MAC is older than `--hard-ageing`, however live it is. */
static __always_inline int fdb_hard_expired(const struct xv_vtep *vtep, const struct xv_fdb *entry,
                                            __u64 now)
{
    return vtep->hard_ageing && !(entry->flags & (XV_FDB_LOCAL | XV_FDB_USER)) &&
           xv_since_tick(now, entry->created) > vtep->hard_ageing * XV_SECOND;
}

static __always_inline int fdb_expired(const struct xv_vtep *vtep, const struct xv_fdb *entry,
                                       __u64 now)
{
    if (entry->flags & XV_FDB_NOAGE)
        return 0;
    return (vtep->ageing && xv_since_tick(now, entry->updated) > vtep->ageing * XV_SECOND) ||
           fdb_hard_expired(vtep, entry, now);
}

#endif
