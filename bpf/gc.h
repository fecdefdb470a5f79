/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ageing without a daemon. A look-up never returns an expired entry; what nobody looks up again is
 * removed here, or a peer that makes up MACs would fill the table for good, and maxaddress.
 *
 *   learn --> gc_seq = ++tail, gc_queue[gc_seq] = key              (fdb.h)
 *   timer --> head .. : expired --> gone, else a new gc_seq     a fifth of the queue a second
 *
 * One walk over a table of a million would be one long softirq: hence the queue.
 */
#ifndef XVTEP_BPF_AGE_H
#define XVTEP_BPF_AGE_H

#include "bpf/addr.h"
#include "bpf/vtep.h"

#define XV_SECOND 1000000000ULL
#define XV_FDB_NOAGE (XV_FDB_STATIC | XV_FDB_PERMANENT)
#define XV_CLOCK_MONOTONIC 1 /* linux/time.h clashes with libc's */

#define XV_GC_LARGE_QUEUE 65536 /* entries; a longer queue is swept ten times a second */
#define XV_GC_BATCH_MAX 16384   /* entries at a time */

static __always_inline int fdb_hard_expired(const struct xv_vtep *vtep, const struct xv_fdb *entry,
                                            __u64 now)
{
    return vtep->hard_ageing && !(entry->flags & (XV_FDB_LOCAL | XV_FDB_USER)) &&
           xv_since(now, entry->created) > vtep->hard_ageing * XV_SECOND;
}

static __always_inline int fdb_expired(const struct xv_vtep *vtep, const struct xv_fdb *entry,
                                       __u64 now)
{
    if (entry->flags & XV_FDB_NOAGE)
        return 0;
    return (vtep->ageing && now > entry->updated + vtep->ageing * XV_SECOND) ||
           fdb_hard_expired(vtep, entry, now);
}

/* fdb_count[slot] of the VTEP, and of all in fdb_count[0]. */
static __always_inline __u64 *fdb_count_of(__u32 slot)
{
    return bpf_map_lookup_elem(&fdb_count, &slot);
}

/* Whether learning may add an entry: by maxaddress, and without taking others' room. */
static __always_inline int fdb_count_has_room(const struct xv_vtep *vtep, __u64 used, __u64 all)
{
    if (vtep->maxaddress && used >= vtep->maxaddress)
        return 0;
    return all < (used < XV_FDB_SMALL ? XV_FDB_LEARNED : XV_FDB_SHARED);
}

static __always_inline int fdb_has_room(const struct xv_vtep *vtep)
{
    __u64 *used = fdb_count_of(vtep->slot), *all = fdb_count_of(0);

    return used && all && fdb_count_has_room(vtep, *used, *all);
}

/* Every entry counts, so that one that moves changes nothing: two CPUs may see it move at once. */
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

static __always_inline void fdb_remove(const struct xv_vtep *vtep, const struct xv_fdb_key *key)
{
    if (!bpf_map_delete_elem(&fdb, key))
        fdb_count_release(vtep);
}

static __always_inline struct xv_gc *gc_state_of(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&gc_state, &zero);
}

static __always_inline __u64 gc_next_seq(void)
{
    struct xv_gc *state = gc_state_of();

    return state ? __sync_fetch_and_add(&state->tail, 1) + 1 : 0;
}

struct gc_loop {
    struct xv_gc *state;
    __u64 now;
    __u64 limit; /* younger gc_seqs may not be in `gc_queue` yet */
};

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
    if (!entry || entry->gc_seq != gc_seq)
        return 0;
    vtep = vtep_by_vni(key.vni, key.dstport);
    if (!vtep || fdb_expired(vtep, entry, loop->now)) {
        if (vtep)
            fdb_remove(vtep, &key);
        else
            bpf_map_delete_elem(&fdb, &key);
        return 0;
    }
    gc_seq = gc_next_seq();
    entry->gc_seq = gc_seq;
    bpf_map_update_elem(&gc_queue, &gc_seq, &key, BPF_ANY);
    return 0;
}

static int gc_tick(void *map, int *index, struct gc_timer *gc_timer)
{
    struct gc_loop loop = {.state = gc_state_of(), .now = bpf_ktime_get_coarse_ns()};
    __u64 queue, period = XV_SECOND, share = 5;

    if (!loop.state)
        return 0;
    queue = loop.state->tail - loop.state->head;
    if (queue > XV_GC_LARGE_QUEUE) {
        period /= 10;
        share *= 10;
    }
    share = queue / share + 256;
    loop.limit = gc_timer->limit;
    gc_timer->limit = loop.state->tail;
    bpf_loop(share < XV_GC_BATCH_MAX ? share : XV_GC_BATCH_MAX, gc_one, &loop, 0);
    if (loop.state->head == loop.state->tail) {
        loop.state->armed = 0;
        if (loop.state->head == loop.state->tail || __sync_lock_test_and_set(&loop.state->armed, 1))
            return 0; /* the next learner starts it again, or has */
    }
    bpf_timer_start(&gc_timer->timer, period, 0);
    return 0;
}

/* Whoever has work for the timer starts it: a learner, or one who found no room. */
static __always_inline void gc_start_timer(void)
{
    struct xv_gc *state = gc_state_of();
    struct gc_timer *found;
    __u32 zero = 0;

    if (!state || state->armed || state->head == state->tail ||
        __sync_lock_test_and_set(&state->armed, 1))
        return;
    found = bpf_map_lookup_elem(&gc_timer, &zero);
    if (!found)
        return;
    bpf_timer_init(&found->timer, &gc_timer, XV_CLOCK_MONOTONIC); /* EBUSY but for the first */
    bpf_timer_set_callback(&found->timer, gc_tick);
    bpf_timer_start(&found->timer, XV_SECOND, 0);
}

static __always_inline void gc_enqueue(const struct xv_fdb_key *key, __u64 gc_seq)
{
    bpf_map_update_elem(&gc_queue, &gc_seq, key, BPF_ANY);
    gc_start_timer();
}

#endif
