/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The forwarding database: look-up with lazy ageing, and learning.
 *
 * The kernel's device has the same entries, so that what is left to it goes the same way: those
 * that user space makes are made there, too, and a MAC is learned here where the kernel's device
 * has just learned it (tc_device_ingress). Behind a bridge an entry is used only while the bridge,
 * too, sends frames for that MAC the same way (`bridged`): see fdb_bridge_agrees().
 */
#ifndef XVTEP_BPF_FDB_H
#define XVTEP_BPF_FDB_H

#include "bpf/alive.h"
#include "bpf/gc.h"

#define XV_BRIDGE_LIFE (1ULL << 33) /* ns: what the bridge has last done is good for so long */
#define XV_BRIDGE_SHIFT                                                                            \
    29 /* of CLOCK_MONOTONIC ns: but it sees each source every half a second                       \
        */
#define XV_NEVER 63

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

/* A live entry, or NULL. One that has expired, or whose port is gone, is removed when it is met. */
static __always_inline struct xv_fdb *fdb_find(const struct xv_vtep *vtep, const __u8 *mac,
                                               __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry && (fdb_expired(vtep, entry, now) ||
                  (entry->flags & XV_FDB_LOCAL && !is_alive(entry->dest.ifindex)))) {
        fdb_remove(vtep, &key);
        return NULL;
    }
    return entry;
}

/*
 * Whether the bridge has sent a frame for this MAC the same way lately. It decides by more than we
 * know: its own addresses, static entries, port states, filters.
 */
static __always_inline int fdb_bridge_agrees(const struct xv_fdb *entry, __u64 now)
{
    return entry->bridge_seen && xv_since(now, entry->bridge_seen) < XV_BRIDGE_LIFE;
}

/* Whether the bridge has to see a frame again: or it forgets MACs that only we still see. */
static __always_inline int fdb_bridge_needs_copy(const struct xv_fdb *entry, __u64 now)
{
    return entry->flags & XV_FDB_BRIDGED &&
           xv_since(now, entry->bridge_seen) > 1ULL << XV_BRIDGE_SHIFT;
}

static __always_inline void fdb_bridge_agreed(struct xv_fdb *entry, __u64 now)
{
    if (entry->flags & XV_FDB_CLAIMED)
        entry->flags &= ~XV_FDB_CLAIMED;
    if (!entry->bridge_seen || xv_since(now, entry->bridge_seen) > XV_SECOND / 4)
        entry->bridge_seen = xv_stamp(now) | 1; /* 0 is never */
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
    if (!entry || !(entry->flags & XV_FDB_LOCAL))
        return NULL;
    return !(entry->flags & XV_FDB_BRIDGED) || fdb_bridge_agrees(entry, now) ? entry : NULL;
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

static __always_inline int fdb_same_place(const struct xv_fdb *entry, const struct xv_remote *dest,
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
                      const struct xv_remote *dest, __u32 flags, __u64 now)
{
    struct xv_fdb fresh = {};
    struct xv_fdb_key key;
    struct xv_fdb *old;

    if (!vtep || !at || !dest)
        return 0;
    key = *at;
    old = bpf_map_lookup_elem(&fdb, &key);
    if (!old && !fdb_count_reserve(vtep)) {
        gc_start_timer();
        return 0;
    }
    fresh.dest = *dest;
    fresh.flags = flags;
    fresh.remotes = 1;
    fresh.updated = now;
    fresh.used = now;
    fresh.created = xv_stamp(now);
    if (old)
        fresh.gc_seq = old->gc_seq;
    else if (vtep->ageing || vtep->hard_ageing)
        fresh.gc_seq = gc_next_seq();
    if (bpf_map_update_elem(&fdb, &key, &fresh, old ? BPF_EXIST : BPF_NOEXIST)) {
        if (!old)
            fdb_count_release(vtep);
        return 0;
    }
    if (!old && fresh.gc_seq)
        gc_enqueue(&key, fresh.gc_seq);
    return 0;
}

/*
 * What learning that `mac` is behind `dest` would do, without doing it: XV_CONTINUE where nothing
 * is to be done (or nothing can be, for want of room), XV_TO_LEARN, or a drop reason. `shift`: a
 * live entry is to be learned anew when this bit of the clock changes, or XV_NEVER.
 */
static __always_inline int fdb_check(const struct xv_vtep *vtep, const __u8 *mac,
                                     const struct xv_remote *dest, __u32 local, __u32 shift,
                                     __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry)
        return fdb_has_room(vtep) ? XV_TO_LEARN : XV_CONTINUE;
    if (!fdb_same_place(entry, dest, local)) {
        if (entry->flags & XV_FDB_NOAGE)
            return local ? XV_CONTINUE : XV_VXLAN_ENTRY_EXISTS;
        return XV_TO_LEARN;
    }
    if (fdb_expired(vtep, entry, now))
        return XV_TO_LEARN;
    if (entry->flags & XV_FDB_NOAGE || shift == XV_NEVER) {
        fdb_touch(&entry->updated, now);
        return XV_CONTINUE;
    }
    /* Heard of by the kernel's device at the same time: both forget it at the same time. */
    return (now ^ entry->updated) >> (shift & 63) ? XV_TO_LEARN : XV_CONTINUE;
}

/*
 * The kernel's vxlan_snoop(): `mac` was seen behind `dest`. `flags`: XV_FDB_LOCAL and what goes
 * with it for a port, 0 for a VTEP. Returns a drop reason, or XV_CONTINUE.
 */
static __always_inline int fdb_learn(const struct xv_vtep *vtep, const __u8 *mac,
                                     const struct xv_remote *dest, __u16 flags, __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry) {
        if (fdb_same_place(entry, dest, flags & XV_FDB_LOCAL)) {
            entry->updated = now;
            if (fdb_hard_expired(vtep, entry, now))
                entry->created = xv_stamp(now); /* gone, and learned anew */
            return XV_CONTINUE;
        }
        if (entry->flags & XV_FDB_NOAGE)
            return flags & XV_FDB_LOCAL ? XV_CONTINUE : XV_VXLAN_ENTRY_EXISTS;
    }
    fdb_write(vtep, &key, dest, flags, now);
    return XV_CONTINUE;
}

#endif
