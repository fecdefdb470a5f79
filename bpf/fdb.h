/* SPDX-License-Identifier: GPL-2.0-only */
/* The forwarding database: look-up with lazy ageing, and learning. */
#ifndef XVTEP_BPF_FDB_H
#define XVTEP_BPF_FDB_H

#include "bpf/age.h"

typedef __u32 __attribute__((may_alias)) key_word;

static __always_inline void fdb_key(struct xv_fdb_key *key, const struct xv_vtep *vtep,
                                    const __u8 *mac)
{
    const mac_part *m = (const mac_part *)mac;
    key_word *word = (key_word *)key;

    /* Written as the hash reads it: a word made of two stores has to wait for both. */
    word[0] = vtep->vni;
    word[1] = halves(vtep->dstport, m[0]);
    word[2] = halves(m[1], m[2]);
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
        fdb_remove(vtep, &key);
        return NULL;
    }
    return entry;
}

/*
 * The local port's entry that a frame from the tunnel goes by, or NULL. The VTEP's own MAC is the
 * host's, whatever the table says.
 */
static __always_inline struct xv_fdb *fdb_find_local(const struct xv_vtep *vtep, const __u8 *mac,
                                                     __u64 now)
{
    struct xv_fdb *entry = NULL;

    if (!mac_is_multicast(mac) && !mac_equal(mac, vtep->mac))
        entry = fdb_find(vtep, mac, now);
    return entry && entry->flags & XV_FDB_LOCAL ? entry : NULL;
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
 * A new entry, or one that moved. A full table, or maxaddress, costs the entry, not the frame, as
 * with the kernel's device; so does ageing that removes it in the meantime.
 */
XV_STEP int fdb_write(const struct xv_vtep *vtep, const struct xv_fdb_key *at,
                      const struct xv_dest *dest, __u32 flags, __u64 now)
{
    struct xv_fdb fresh = {};
    struct xv_fdb_key key;
    struct xv_fdb *old;

    if (!vtep || !at || !dest)
        return 0;
    key = *at;
    old = bpf_map_lookup_elem(&fdb, &key);
    if (!old && !usage_take(vtep)) {
        age_arm();
        return 0;
    }
    fresh.dest = *dest;
    fresh.flags = flags;
    fresh.dests = 1;
    fresh.updated = now;
    fresh.used = now;
    fresh.created = now;
    if (old)
        fresh.ticket = old->ticket;
    else if (vtep->ageing || vtep->hard_ageing)
        fresh.ticket = age_ticket();
    if (bpf_map_update_elem(&fdb, &key, &fresh, old ? BPF_EXIST : BPF_NOEXIST)) {
        if (!old)
            usage_give(vtep);
        return 0;
    }
    if (!old && fresh.ticket)
        age_add(&key, fresh.ticket);
    return 0;
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

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry) {
        if (fdb_same_place(entry, dest, flags & XV_FDB_LOCAL)) {
            fdb_touch(&entry->updated, now);
            if (fdb_hard_expired(vtep, entry, now))
                entry->created = now; /* gone, and learned anew */
            return XV_CONTINUE;
        }
        if (entry->flags & XV_FDB_KEPT)
            return flags & XV_FDB_LOCAL ? XV_CONTINUE : XV_STATIC_MOVED;
    }
    fdb_write(vtep, &key, dest, flags, now);
    return XV_CONTINUE;
}

#endif
