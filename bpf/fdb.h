/* SPDX-License-Identifier: GPL-2.0-only */
/* The forwarding database: look-up with lazy ageing, and learning. */
#ifndef XVTEP_BPF_FDB_H
#define XVTEP_BPF_FDB_H

#include "bpf/addr.h"
#include "bpf/maps.h"

#define XV_SECOND 1000000000ULL
#define XV_FDB_KEPT (XV_FDB_STATIC | XV_FDB_PERMANENT)

static __always_inline void fdb_key(struct xv_fdb_key *key, const struct xv_vtep *vtep,
                                    const __u8 *mac)
{
    key->vni = vtep->vni;
    key->dstport = vtep->dstport;
    __builtin_memcpy(key->mac, mac, 6);
}

static __always_inline int fdb_expired(const struct xv_vtep *vtep, const struct xv_fdb *entry,
                                       __u64 now)
{
    return !(entry->flags & XV_FDB_KEPT) && vtep->ageing &&
           now > entry->updated + vtep->ageing * XV_SECOND;
}

/* A live entry, or NULL. An expired one is removed when it is met. */
static __always_inline struct xv_fdb *fdb_find(const struct xv_vtep *vtep, const __u8 *mac,
                                               __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry && fdb_expired(vtep, entry, now)) {
        bpf_map_delete_elem(&fdb, &key);
        return NULL;
    }
    return entry;
}

static __always_inline struct xv_fdb *fdb_default(const struct xv_vtep *vtep)
{
    struct xv_fdb_key key = {.vni = vtep->vni, .dstport = vtep->dstport};

    return bpf_map_lookup_elem(&fdb, &key);
}

/* To the second is enough, and keeps a busy entry's cache line clean. */
static __always_inline void fdb_touch(__u64 *stamp, __u64 now)
{
    if (now > *stamp + XV_SECOND)
        *stamp = now;
}

static __always_inline int fdb_same_place(const struct xv_fdb *entry, const struct xv_dest *dest,
                                          __u32 local)
{
    if ((entry->flags & XV_FDB_LOCAL) != local)
        return 0;
    if (local)
        return entry->dest.ifindex == dest->ifindex && entry->dest.vid == dest->vid;
    return addr_equal(&entry->dest.addr, &dest->addr);
}

/*
 * The kernel's vxlan_snoop(): `mac` was seen behind `dest`. `flags`: XV_FDB_LOCAL and what goes
 * with it for a port, 0 for a VTEP. Returns a drop verdict, or XV_CONTINUE.
 */
static __always_inline int fdb_learn(const struct xv_vtep *vtep, const __u8 *mac,
                                     const struct xv_dest *dest, __u16 flags, __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;
    struct xv_fdb fresh;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry) {
        if (fdb_same_place(entry, dest, flags & XV_FDB_LOCAL)) {
            fdb_touch(&entry->updated, now);
            return XV_CONTINUE;
        }
        if (entry->flags & XV_FDB_KEPT)
            return flags & XV_FDB_LOCAL ? XV_CONTINUE : XV_STATIC_MOVED;
    }
    __builtin_memset(&fresh, 0, sizeof(fresh));
    fresh.dest = *dest;
    fresh.flags = flags;
    fresh.dests = 1;
    fresh.updated = now;
    fresh.used = now;
    /* A full table costs the entry, not the frame, as with the kernel's device. */
    bpf_map_update_elem(&fdb, &key, &fresh, BPF_ANY);
    return XV_CONTINUE;
}

#endif
