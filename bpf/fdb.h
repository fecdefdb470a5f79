/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The forwarding database: look-up and learning.
 *
 * The kernel's device has the same entries, so that frames that are left to it go the same way.
 * User space writes its entries into both tables. A MAC is learned here (tc_device_ingress) just
 * after the kernel's device has learned it. Behind a bridge an entry is used only while the bridge
 * sends frames for that MAC the same way: see fdb_bridge_agrees().
 */
#ifndef XVTEP_BPF_FDB_H
#define XVTEP_BPF_FDB_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/fdb_count.h"
#include "bpf/fdb_expiry.h"
#include "bpf/gc.h"
#include "bpf/maps.h"
#include "bpf/remote.h"

#define XV_BRIDGE_LIFE (1ULL << 33) /* ns for which the bridge's last decision is relied on */
#define XV_BRIDGE_SHIFT 29          /* the bridge sees each source every 2^29 ns, about 0.5 s */

typedef __u32 __attribute__((may_alias)) key_word;

/* Where a MAC was seen: behind a VTEP, or at a local port. */
struct place {
    struct xv_addr addr; /* of the VTEP; all zeros: only the kernel's device knows it */
    __u32 ifindex;       /* of the local port */
    __u32 vid;           /* there; 0: untagged */
};

static __always_inline void fdb_key(struct xv_fdb_key *key, const struct xv_vtep *vtep,
                                    const __u8 *mac)
{
    const mac_part *m = (const mac_part *)mac;
    key_word *word = (key_word *)key;

    /* Writes whole words, as the hash reads them: a load that spans two stores waits for both. */
    word[0] = vtep->vni;
    word[1] = halves(vtep->dstport, m[0]);
    word[2] = halves(m[1], m[2]);
}

/* A live entry, or NULL. Removes an entry that has expired or whose port is gone. */
static __always_inline struct xv_fdb *fdb_find(const struct xv_vtep *vtep, const __u8 *mac,
                                               __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry && (fdb_expired(vtep, entry, now) ||
                  (entry->flags & XV_FDB_LOCAL && !is_alive_now(entry->to, now)))) {
        fdb_remove(vtep, &key);
        return NULL;
    }
    return entry;
}

/* As fdb_find(), where it is rare: a step for the verifier removes what must go. */
XV_STEP int fdb_refresh(const struct xv_vtep *vtep, const struct xv_fdb_key *key, __u64 now)
{
    if (vtep && key)
        fdb_find(vtep, key->mac, now);
    return 0;
}

static __always_inline struct xv_fdb *fdb_find_rarely(const struct xv_vtep *vtep, const __u8 *mac,
                                                      __u64 now)
{
    struct xv_fdb_key key;

    fdb_key(&key, vtep, mac);
    fdb_refresh(vtep, &key, now);
    return bpf_map_lookup_elem(&fdb, &key);
}

/* As fdb_find(), but never the default entry, whose MAC is all zeros. */
static __always_inline struct xv_fdb *fdb_find_nonzero(const struct xv_vtep *vtep, const __u8 *mac,
                                                       __u64 now)
{
    return mac_is_zero(mac) ? NULL : fdb_find(vtep, mac, now);
}

/*
 * Whether the bridge has lately sent a frame for this MAC the same way. A bridge decides by more
 * than our table has: its own addresses, static entries, port states, filters.
 */
static __always_inline int fdb_bridge_agrees(const struct xv_fdb *entry, __u64 now)
{
    return entry->bridge_seen && xv_since(now, entry->bridge_seen) < XV_BRIDGE_LIFE;
}

/* Whether the bridge needs a copy of a frame, as it would else forget a MAC that it never sees. */
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
        entry->bridge_seen = xv_stamp(now) | 1; /* 0 means never */
}

/*
 * A port claims the MAC of the entry, which is of another place. The bridge decides, so it must see
 * the next frame from the entry's own place, too: else the MAC would stay with whoever claimed it.
 */
static __always_inline void fdb_claim(const struct xv_vtep *vtep, struct xv_fdb *entry, __u64 now)
{
    __u32 shift = entry->flags & XV_FDB_LOCAL ? XV_BRIDGE_SHIFT : vtep->renew_shift;
    __u32 period = 1U << (shift - XV_TICK_SHIFT & 31);

    entry->bridge_seen = 0;
    if (shift < XV_TICK_SHIFT + 31 && xv_tick(now) - entry->updated < period)
        entry->updated = xv_tick(now) - period; /* fdb_check() finds that it is time */
}

/*
 * The entry of the local port that a frame from the tunnel goes to, or NULL. The VTEP's own MAC
 * belongs to the host, whatever the table says.
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

/* Whether the MAC is known behind another VTEP: a frame from the tunnel for it is not for us. */
static __always_inline int fdb_is_remote(const struct xv_vtep *vtep, const __u8 *mac, __u64 now)
{
    struct xv_fdb *entry = mac_is_multicast(mac) ? NULL : fdb_find_nonzero(vtep, mac, now);

    return entry && !(entry->flags & XV_FDB_LOCAL);
}

static __always_inline struct xv_fdb *fdb_default(const struct xv_vtep *vtep)
{
    struct xv_fdb_key key = {.vni = vtep->vni, .dstport = vtep->dstport};

    return bpf_map_lookup_elem(&fdb, &key);
}

/* The remote that the entry leads to; NULL: a local port, or a VTEP that only the kernel knows. */
static __always_inline struct xv_remote *fdb_remote(const struct xv_fdb *entry)
{
    return entry->flags & XV_FDB_LOCAL ? NULL : remote_by_id(entry->to);
}

static __always_inline int fdb_same_place(const struct xv_fdb *entry, const struct place *place,
                                          __u32 local)
{
    struct xv_remote *remote;

    if ((entry->flags & XV_FDB_LOCAL) != local)
        return 0;
    if (local)
        return entry->to == place->ifindex && entry->several == place->vid;
    remote = remote_by_id(entry->to);
    return remote ? addr_equal(&remote->addr, &place->addr)
                  : !entry->to && !addr_is_set(&place->addr);
}

/*
 * Writes a new entry, or one that moved. Failure (the table is full, maxaddress is reached, or
 * garbage collection has just removed the entry) costs the entry and not the frame, as with the
 * kernel's device.
 */
static __always_inline void fdb_write(const struct xv_vtep *vtep, const struct xv_fdb_key *key,
                                      const struct xv_fdb *old, const struct place *place,
                                      __u32 flags, __u64 now)
{
    struct xv_fdb fresh = {};
    struct xv_remote *remote;
    __u64 seq = 0;

    if (!old && !fdb_count_reserve(vtep)) {
        gc_start_timer();
        return;
    }
    if (flags & XV_FDB_LOCAL) {
        fresh.to = place->ifindex;
        fresh.several = place->vid;
    } else {
        fresh.to = addr_is_set(&place->addr) ? remote_make(vtep, &place->addr, now) : 0;
        fresh.several = 1;
        remote = remote_by_id(fresh.to);
        if (remote)
            remote_see(remote, 0, now);
        if (remote && !vtep->ageing && !vtep->hard_ageing)
            remote->flags |= XV_REMOTE_STAYS;
    }
    fresh.flags = flags;
    fresh.updated = fresh.used = fresh.created = xv_tick(now);
    if (old)
        fresh.gc_tag = old->gc_tag;
    else if (vtep->ageing || vtep->hard_ageing)
        seq = gc_next_seq();
    if (seq)
        fresh.gc_tag = xv_gc_tag(seq);
    if (bpf_map_update_elem(&fdb, key, &fresh, old ? BPF_EXIST : BPF_NOEXIST)) {
        if (!old)
            fdb_count_release(vtep);
        return;
    }
    if (seq)
        gc_enqueue(key, seq);
}

/*
 * Tells what learning that `mac` is at `place` would do, and does not do it: XV_CONTINUE if it
 * would change nothing (also for want of room), XV_TO_LEARN, or a drop reason. `local`: 0, or
 * XV_FDB_LOCAL if it is a port. `shift`: a live entry must be learned again each time this bit
 * of the clock (ns) changes; XV_NEVER: not again.
 */
static __always_inline int fdb_check(const struct xv_vtep *vtep, const __u8 *mac,
                                     const struct place *place, __u32 local, __u32 shift, __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    fdb_key(&key, vtep, mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry) {
        if (fdb_has_room(vtep))
            return XV_TO_LEARN;
        count_not_learned(vtep->slot);
        return XV_CONTINUE;
    }
    if (!fdb_same_place(entry, place, local)) {
        if (entry->flags & XV_FDB_NOAGE)
            return local ? XV_CONTINUE : XV_VXLAN_ENTRY_EXISTS;
        return XV_TO_LEARN;
    }
    if (fdb_expired(vtep, entry, now))
        return XV_TO_LEARN;
    if (entry->flags & XV_FDB_NOAGE || shift >= XV_TICK_SHIFT + 32) {
        touch_tick(&entry->updated, now);
        return XV_CONTINUE;
    }
    /* The kernel's device hears of the MAC at the same times, so both tables forget it together. */
    return (xv_tick(now) ^ entry->updated) >> (shift - XV_TICK_SHIFT & 31) ? XV_TO_LEARN
                                                                           : XV_CONTINUE;
}

/*
 * Learns that the source of `eth` was seen at `place`, as the kernel's vxlan_snoop(). `flags`:
 * XV_FDB_LOCAL and the flags that go with it for a port, 0 for a VTEP. Returns a drop reason, or
 * XV_CONTINUE.
 */
XV_STEP int fdb_learn(const struct xv_vtep *vtep, const struct ethhdr *eth,
                      const struct place *place, __u32 flags, __u64 now)
{
    struct xv_fdb_key key;
    struct xv_fdb *entry;

    if (!vtep || !eth || !place)
        return XV_CONTINUE;
    fdb_key(&key, vtep, eth->h_source);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (entry) {
        if (fdb_same_place(entry, place, flags & XV_FDB_LOCAL)) {
            entry->updated = xv_tick(now);
            if (fdb_hard_expired(vtep, entry, now))
                entry->created = xv_tick(now); /* as if it had been removed and learned again */
            return XV_CONTINUE;
        }
        if (entry->flags & XV_FDB_NOAGE)
            return flags & XV_FDB_LOCAL ? XV_CONTINUE : XV_VXLAN_ENTRY_EXISTS;
    }
    fdb_write(vtep, &key, entry, place, flags, now);
    return XV_CONTINUE;
}

#endif
