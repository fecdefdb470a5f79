/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The number of FDB entries: fdb_count[slot] is a VTEP's, fdb_count[0] is that of all VTEPs. They
 * limit learning, by `maxaddress` and so that one VTEP does not take the table from the others.
 */
#ifndef XVTEP_BPF_FDB_COUNT_H
#define XVTEP_BPF_FDB_COUNT_H

#include "bpf/common.h"
#include "bpf/maps.h"

static __always_inline __u64 *fdb_count_of(__u32 slot)
{
    return bpf_map_lookup_elem(&fdb_count, &slot);
}

static __always_inline int fdb_count_has_room(const struct xv_vtep *vtep, __u64 used, __u64 all)
{
    const __u64 learned = XV_FDB_LEARNED(sizes[XV_SIZE_FDB]);

    if ((vtep->maxaddress && used >= vtep->maxaddress) || all >= learned)
        return 0;
    return used < XV_FDB_SMALL || 3 * used < 4 * (learned - all);
}

/* Whether learning may add an entry. */
static __always_inline int fdb_has_room(const struct xv_vtep *vtep)
{
    __u64 *used = fdb_count_of(vtep->slot), *all = fdb_count_of(0);

    return used && all && fdb_count_has_room(vtep, *used, *all);
}

/*
 * Counts a new entry; returns 0, and counts nothing, if learning may not add it. Static entries
 * count too: an entry that moves then changes no count, though two CPUs may see it move at once.
 */
static __always_inline int fdb_count_reserve(const struct xv_vtep *vtep)
{
    __u64 *used = fdb_count_of(vtep->slot), *all = fdb_count_of(0);

    if (!used || !all)
        return 0;
    if (fdb_count_has_room(vtep, __sync_fetch_and_add(used, 1), __sync_fetch_and_add(all, 1)))
        return 1;
    __sync_fetch_and_add(used, -1);
    __sync_fetch_and_add(all, -1);
    return 0;
}

static __always_inline void fdb_count_release(const struct xv_vtep *vtep)
{
    __u64 *used = fdb_count_of(vtep->slot), *all = fdb_count_of(0);

    if (!used || !all)
        return;
    __sync_fetch_and_add(used, -1);
    __sync_fetch_and_add(all, -1);
}

/* Deletes an entry, and counts that. */
XV_STEP int fdb_remove(const struct xv_vtep *vtep, const struct xv_fdb_key *at)
{
    struct xv_fdb_key key;

    if (!vtep || !at)
        return 0;
    key = *at; /* Linux 6.1 takes no key from where an argument points */
    if (!bpf_map_delete_elem(&fdb, &key))
        fdb_count_release(vtep);
    return 0;
}

#endif
