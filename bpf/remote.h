/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote VTEPs. An FDB entry has the id of a remote, and a remote has what all its entries share:
 * the address, the parts of the outer header, the way there, counters, and when it was last heard.
 *
 *   id = index in `remotes` | generation << 16
 *
 * An index is used again with another generation, and not at once after it was freed. So an entry
 * whose remote is gone never leads to another one: remote_by_id() finds nothing.
 *
 * A remote lives as long as user space counts references to it, or as long as entries that can
 * expire lead there: the garbage collection, which visits all of those within seconds, writes
 * `seen`. Entries that the programs learn without an ageing time keep their remote until detach.
 */
#ifndef XVTEP_BPF_REMOTE_H
#define XVTEP_BPF_REMOTE_H

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/maps.h"

#define XV_REMOTE_TRIES 64   /* indexes to look at for a free one */
#define XV_REMOTE_SWEEP 1024 /* remotes that each tick of the timer looks at */
#define XV_REMOTE_KEPT 8     /* of so many remotes of the largest table, one is for user space */

/* NULL if it is none, or is gone. */
static __always_inline struct xv_remote *remote_by_id(__u32 id)
{
    __u32 index = xv_remote_index(id);
    struct xv_remote *remote = bpf_map_lookup_elem(&remotes, &index);

    id &= ~XV_TO_NAMES_PORT;
    return remote && remote->id == id && id ? remote : NULL;
}

/* The key of the remote with this address that the VTEP sends to with its own VNI and UDP port. */
static __always_inline void remote_plain_key(struct xv_remote_key *key, const struct xv_vtep *vtep,
                                             const struct xv_addr *addr)
{
    *key = (struct xv_remote_key){
        .addr = *addr, .slot = vtep->slot, .vni = vtep->vni, .port = vtep->dstport};
}

/* The plain remote with this address, or NULL. */
static __always_inline struct xv_remote *remote_of_sender(const struct xv_vtep *vtep,
                                                          const struct xv_addr *addr)
{
    __u32 at =
        (xv_address_mix(addr) * 0x9e3779b97f4a7c15ULL >> 40 ^ vtep->slot) & (XV_REMOTE_HINTS - 1);
    __u32 *hint = bpf_map_lookup_elem(&remote_hints, &at), *found;
    struct xv_remote *remote;
    struct xv_remote_key key;

    if (!hint)
        return NULL;
    remote = remote_by_id(*hint);
    if (remote && remote->slot == vtep->slot && addr_equal(&remote->addr, addr))
        return remote;
    remote_plain_key(&key, vtep, addr);
    found = bpf_map_lookup_elem(&remote_ids, &key);
    if (!found)
        return NULL;
    *hint = *found;
    return remote_by_id(*found);
}

/* Updates a tick to the second: writing it more often would dirty a cache line that all read. */
static __always_inline void touch_tick(__u32 *tick, __u64 now)
{
    if (xv_tick(now) - *tick >= XV_SECOND >> XV_TICK_SHIFT)
        *tick = xv_tick(now);
}

static __always_inline struct xv_remote_counters *remote_counters(const struct xv_remote *remote)
{
    __u32 index = xv_remote_index(remote->id);

    return bpf_map_lookup_elem(&remote_counts, &index);
}

/* Counts inner frames that are sent to the remote; the VTEP's own counters do not have them. */
static __always_inline void remote_count_tx(const struct xv_remote *remote, __u32 packets,
                                            __u64 bytes)
{
    struct xv_remote_counters *c = remote_counters(remote);

    if (c) {
        c->tx_packets += packets;
        c->tx_bytes += bytes;
    }
}

/* Counts inner frames of a sender, which may be NULL: not known. */
static __always_inline void count_rx_from(const struct xv_vtep *vtep, struct xv_remote *sender,
                                          __u32 packets, __u64 bytes, __u64 now)
{
    struct xv_remote_counters *c;

    if (!sender) {
        count_rx(vtep->slot, packets, bytes);
        return;
    }
    touch_tick(&sender->heard, now);
    c = remote_counters(sender);
    if (c) {
        c->rx_packets += packets;
        c->rx_bytes += bytes;
    }
}

/* Says that an entry that can expire leads there. */
static __always_inline void remote_see(struct xv_remote *remote, int written_by_user, __u64 now)
{
    touch_tick(&remote->seen, now);
    if (written_by_user)
        touch_tick(&remote->named, now | 1ULL << XV_TICK_SHIFT); /* 0 means never */
}

struct claim_loop {
    __u64 now;
    __u32 index; /* of the claimed remote; 0: none */
};

/*
 * Whether learning may take the index. A smaller table grows when user space finds it full; of the
 * largest one, learned remotes leave room for those that are written.
 */
static __always_inline int remote_may_learn(__u32 index)
{
    return sizes[XV_SIZE_REMOTES] < XV_REMOTES_MAX || index % XV_REMOTE_KEPT;
}

static long claim_one(__u32 n, void *context)
{
    struct claim_loop *loop = context;
    struct xv_remote *remote;
    __u32 zero = 0, index;
    struct xv_remote_state *state = bpf_map_lookup_elem(&remote_state, &zero);

    if (!state)
        return 1;
    index = __sync_fetch_and_add(&state->next, 1) & (sizes[XV_SIZE_REMOTES] - 1);
    remote = bpf_map_lookup_elem(&remotes, &index);
    if (!remote || !index || !remote_may_learn(index) || remote->claimed ||
        (remote->freed && xv_since_tick(loop->now, remote->freed) < XV_REMOTE_QUIET) ||
        __sync_lock_test_and_set(&remote->claimed, 1) != 0)
        return 0;
    loop->index = index;
    return 1;
}

/* Claims a free index; returns its remote, or NULL. */
static __always_inline struct xv_remote *remote_claim(__u32 *index, __u64 now)
{
    struct claim_loop loop = {.now = now};

    bpf_loop(XV_REMOTE_TRIES, claim_one, &loop, 0);
    *index = loop.index;
    return loop.index ? bpf_map_lookup_elem(&remotes, index) : NULL;
}

struct retire_loop {
    struct xv_remote_counters *sum; /* NULL: only clears */
    __u32 index;
};

static long retire_count(__u32 cpu, void *context)
{
    struct retire_loop *loop = context;
    struct xv_remote_counters *c = bpf_map_lookup_percpu_elem(&remote_counts, &loop->index, cpu);
    struct xv_remote_counters *sum = loop->sum;

    if (!c)
        return 1;
    if (sum) {
        __sync_fetch_and_add(&sum->rx_packets, c->rx_packets);
        __sync_fetch_and_add(&sum->rx_bytes, c->rx_bytes);
        __sync_fetch_and_add(&sum->tx_packets, c->tx_packets);
        __sync_fetch_and_add(&sum->tx_bytes, c->tx_bytes);
    }
    *c = (struct xv_remote_counters){};
    return 0;
}

/* Adds the counters of a remote that is freed to what its VTEP has of such, and clears them. */
static __always_inline void retire_counts(__u32 index, __u32 slot)
{
    struct retire_loop loop = {.index = index};

    loop.sum = bpf_map_lookup_elem(&retired_counts, &slot);
    bpf_loop(1 << 16, retire_count, &loop, 0);
}

/*
 * Returns the id of the plain remote with this address, which is made if there is none; 0 if the
 * table is full.
 */
XV_STEP int remote_make(const struct xv_vtep *vtep, const struct xv_addr *addr, __u64 now)
{
    struct retire_loop clearing = {};
    struct xv_remote_key key;
    struct xv_remote *remote;
    __u32 *found, index, id;

    if (!vtep || !addr)
        return 0;
    remote_plain_key(&key, vtep, addr);
    found = bpf_map_lookup_elem(&remote_ids, &key);
    if (found)
        return *found;
    remote = remote_claim(&index, now);
    if (!remote)
        return 0;
    clearing.index = index;
    bpf_loop(1 << 16, retire_count, &clearing, 0);
    id = index | ((remote->freed_id + 0x10000) & ~0xffffU);
    remote->path = (struct xv_path){};
    remote->fresh_until = 0;
    remote->vxlan_vni = bpf_htonl(key.vni << 8);
    remote->port = key.port;
    remote->slot = key.slot;
    remote->admitted = 0;
    remote->addr = *addr;
    remote->vni = key.vni;
    remote->via = 0;
    remote->plain = 0;
    remote->heard = 0;
    remote->seen = xv_tick(now);
    remote->named = 0;
    remote->refs = 0;
    remote->flags = vtep->ageing || vtep->hard_ageing ? 0 : XV_REMOTE_STAYS;
    remote->id = id;
    if (!bpf_map_update_elem(&remote_ids, &key, &id, BPF_NOEXIST))
        return id;
    remote->freed_id = id; /* another CPU has made it meanwhile, or there is no memory */
    remote->id = 0;
    remote->freed = xv_tick(now) | 1;
    remote->claimed = 0;
    found = bpf_map_lookup_elem(&remote_ids, &key);
    return found ? *found : 0;
}

/* Frees the remote with this index if nothing leads there any more. */
static __always_inline void remote_free_unused(__u32 index, __u64 now)
{
    struct xv_remote *remote = bpf_map_lookup_elem(&remotes, &index);
    struct xv_remote_key key;
    __u32 id;

    if (!remote || !remote->id || remote->refs || remote->flags ||
        xv_since_tick(now, remote->seen) < XV_REMOTE_LIFE)
        return;
    id = __sync_lock_test_and_set(&remote->id, 0);
    /* User space adds its reference and then looks at the id: one of us sees the other. */
    if (remote->refs || !id) {
        remote->id = id;
        return;
    }
    key = xv_remote_key_of(remote);
    bpf_map_delete_elem(&remote_ids, &key);
    retire_counts(index, key.slot);
    remote->freed_id = id;
    remote->freed = xv_tick(now) | 1; /* 0 means never */
    remote->claimed = 0;
}

static long remote_sweep_one(__u32 n, void *context)
{
    __u64 now = *(__u64 *)context;
    __u32 zero = 0;
    struct xv_remote_state *state = bpf_map_lookup_elem(&remote_state, &zero);

    if (!state)
        return 1;
    remote_free_unused(state->sweep++ & (sizes[XV_SIZE_REMOTES] - 1), now);
    return 0;
}

/* Looks at the next remotes; the whole table takes half a minute. */
static __always_inline void remote_sweep(__u64 now)
{
    bpf_loop(sizes[XV_SIZE_REMOTES] < XV_REMOTE_SWEEP ? sizes[XV_SIZE_REMOTES] : XV_REMOTE_SWEEP,
             remote_sweep_one, &now, 0);
}

#endif
