/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Garbage collection of the FDB. A look-up never returns an expired entry, and removes it; a timer
 * removes those that nobody looks up. Without it a peer that invents MACs would use up the table
 * and `maxaddress` for good.
 *
 *   learning: gc_seq = ++tail, gc_queue[gc_seq] = key; the entry has a tag of gc_seq, so that an
 *             older place of it in the queue is left out
 *   timer:    takes the oldest gc_seqs, from `head` on: an expired entry is removed, another one
 *             gets a new gc_seq; each second it handles a fifth of the queue; looks for remotes
 *             that no entry leads to
 *
 * The queue exists because a walk over a table of a million entries would be one long softirq.
 */
#ifndef XVTEP_BPF_GC_H
#define XVTEP_BPF_GC_H

#include "bpf/common.h"
#include "bpf/fdb_count.h"
#include "bpf/fdb_expiry.h"
#include "bpf/maps.h"
#include "bpf/remote.h"
#include "bpf/vtep.h"

#define XV_GC_LARGE_QUEUE 65536 /* entries; a longer queue has ten ticks a second */
#define XV_GC_BATCH_MAX 16384   /* entries in a tick */

static __always_inline struct xv_gc *gc_get_state(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&gc_state, &zero);
}

static __always_inline __u64 gc_next_seq(void)
{
    struct xv_gc *state = gc_get_state();

    return state ? __sync_fetch_and_add(&state->tail, 1) + 1 : 0;
}

struct gc_loop {
    struct xv_gc *state;
    __u64 now;
    __u64 limit; /* younger gc_seqs may not be in `gc_queue` yet: a tick leaves them */
};

/*
 * Says that a live entry leads to the remote. One that user space wrote names the address, too.
 * Returns whether there is the remote.
 */
XV_STEP int see_remote(__u32 id, __u32 written_by_user, __u64 now)
{
    struct xv_remote *remote = remote_by_id(id), *plain;

    if (!remote)
        return 0;
    remote_see(remote, written_by_user, now);
    plain = written_by_user ? remote_by_id(remote->plain) : NULL;
    if (plain)
        remote_see(plain, written_by_user, now);
    return 1;
}

struct flood_loop {
    struct xv_flood_key key;
    __u64 now;
};

static long see_flood_one(__u32 n, void *context)
{
    struct flood_loop *loop = context;
    __u32 *id;

    loop->key.index = n + 1;
    id = bpf_map_lookup_elem(&floods, &loop->key);
    if (id)
        see_remote(*id, 1, loop->now);
    return 0;
}

/*
 * The same for all remotes of an entry: only user space writes one that has several. Returns
 * whether there is the first one.
 */
static __always_inline int see_remotes(const struct xv_fdb *entry, const struct xv_fdb_key *key,
                                       __u64 now)
{
    struct flood_loop loop = {.now = now};

    if (!see_remote(entry->to, entry->flags & XV_FDB_USER, now))
        return 0;
    if (entry->several > 1) {
        loop.key.entry = *key;
        bpf_loop(entry->several - 1, see_flood_one, &loop, 0);
    }
    return 1;
}

static long gc_one(__u32 index, void *context)
{
    struct gc_loop *loop = context;
    struct xv_gc *state = loop->state;
    struct xv_fdb_key *found, key;
    struct xv_vtep *vtep;
    struct xv_fdb *entry;
    __u64 gc_seq;

    if (state->head >= loop->limit)
        return 1;
    gc_seq = ++state->head;
    found = bpf_map_lookup_elem(&gc_queue, &gc_seq);
    if (!found)
        return 0;
    key = *found;
    bpf_map_delete_elem(&gc_queue, &gc_seq);
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry || entry->gc_tag != xv_gc_tag(gc_seq))
        return 0;
    vtep = vtep_by_vni_rarely(key.vni, key.dstport);
    if (!vtep) {
        bpf_map_delete_elem(&fdb, &key);
        return 0;
    }
    if (fdb_expired(vtep, entry, loop->now) ||
        (!(entry->flags & XV_FDB_LOCAL) && entry->to && !see_remotes(entry, &key, loop->now))) {
        fdb_remove(vtep, &key);
        return 0;
    }
    gc_seq = gc_next_seq();
    entry->gc_tag = xv_gc_tag(gc_seq);
    bpf_map_update_elem(&gc_queue, &gc_seq, &key, BPF_ANY);
    return 0;
}

static int gc_tick(void *map, int *index, struct gc_timer *self)
{
    struct gc_loop loop = {.state = gc_get_state(), .now = bpf_ktime_get_coarse_ns()};
    __u64 queue, period = XV_SECOND, share = 5;

    if (!loop.state)
        return 0;
    queue = loop.state->tail - loop.state->head;
    if (queue > XV_GC_LARGE_QUEUE) {
        period /= 10;
        share *= 10;
    }
    share = queue / share + 256;
    loop.limit = self->limit;
    self->limit = loop.state->tail;
    bpf_loop(share < XV_GC_BATCH_MAX ? share : XV_GC_BATCH_MAX, gc_one, &loop, 0);
    remote_sweep(loop.now);
    if (loop.state->head == loop.state->tail) {
        loop.state->timer_runs = 0;
        if (loop.state->head == loop.state->tail ||
            __sync_lock_test_and_set(&loop.state->timer_runs, 1))
            return 0; /* whoever learns next starts the timer, or has just done it */
    }
    bpf_timer_start(&self->timer, period, 0);
    return 0;
}

/* Starts the timer if the queue is not empty: after learning, or if there is no room to learn. */
static __always_inline void gc_start_timer(void)
{
    struct xv_gc *state = gc_get_state();
    struct gc_timer *found;
    __u32 zero = 0;

    if (!state || state->timer_runs || state->head == state->tail ||
        __sync_lock_test_and_set(&state->timer_runs, 1))
        return;
    found = bpf_map_lookup_elem(&gc_timer, &zero);
    if (!found)
        return;
    bpf_timer_init(&found->timer, &gc_timer, XV_CLOCK_MONOTONIC); /* EBUSY after the first time */
    bpf_timer_set_callback(&found->timer, gc_tick);
    bpf_timer_start(&found->timer, XV_SECOND, 0);
}

static __always_inline void gc_enqueue(const struct xv_fdb_key *key, __u64 gc_seq)
{
    bpf_map_update_elem(&gc_queue, &gc_seq, key, BPF_ANY);
    gc_start_timer();
}

#endif
