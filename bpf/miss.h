/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Miss events: a copy into each listener's ring buffer, about one a second for each key. An event
 * that does not fit is counted; an event that no listener had room for is raised again by the next
 * packet. Into a ring buffer that is half full each VTEP puts only some events a second, so that
 * the misses of one tenant, however many, leave room for those of the others.
 *
 * A ring buffer wakes its reader by an interrupt of the CPU to itself, which takes longer than
 * everything else here. So a listener that has read all events is woken by a copy of the frame to a
 * tap device on which it sleeps. GSO packets are not copied, since they would be segmented.
 */
#ifndef XVTEP_BPF_MISS_H
#define XVTEP_BPF_MISS_H

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/maps.h"

#define XV_MISS_SHARE 256 /* events of a VTEP in 2^30 ns, in the upper half of a ring buffer */
#define XV_MISS_WINDOW 30

struct raise_loop {
    struct xv_event event;
    struct __sk_buff *skb;
    __u32 listener_mask;
    __u32 waiting; /* those of the mask that have not got it; the verifier would follow a count */
    __u32 slot;    /* of the VTEP's counters */
};

/* Wakes the reader by the ring buffer: a discarded record is not read, but wakes. */
static __always_inline void wake_by_ring(void *ring)
{
    void *nothing = bpf_ringbuf_reserve(ring, 8, 0);

    if (nothing)
        bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* Mixes in the high half, which has the address's last bytes, before multiplying. */
static __always_inline __u64 ratelimit_mix(__u64 word, __u64 by)
{
    return (word ^ word >> 32) * by;
}

static __always_inline __u32 ratelimit_set(const struct xv_ratelimit *miss)
{
    return (ratelimit_mix(miss->key[0], 0x9e3779b97f4a7c15ULL) ^
            ratelimit_mix(miss->key[1], 0xc2b2ae3d27d4eb4fULL) ^
            ratelimit_mix(miss->key[2], 0x165667b19e3779f9ULL)) >>
           (64 - XV_RATELIMIT_BITS);
}

/*
 * Counts an event of the VTEP, and returns whether it is one too many for the upper half of a ring
 * buffer. The count is in `miss_ratelimit`, beside the misses: all ones (no miss has that key) and
 * the slot; time and number.
 */
XV_STEP int miss_is_over_share(__u32 slot, __u64 now)
{
    struct xv_ratelimit count = {.key = {~0ULL, slot}, .raised = now};
    __u32 at = ratelimit_set(&count), oldest = 0;
    struct xv_ratelimit_set *set;
    __u64 least = ~0ULL;

    count.key[2] = now >> XV_MISS_WINDOW << 32 | 1;
    set = bpf_map_lookup_elem(&miss_ratelimit, &at);
    if (!set)
        return 0;
#pragma unroll
    for (int n = 0; n < XV_RATELIMIT_WAYS; n++) {
        struct xv_ratelimit *way = &set->way[n];

        if (way->key[0] == count.key[0] && way->key[1] == count.key[1]) {
            way->raised = now;
            if ((way->key[2] ^ count.key[2]) >> 32)
                way->key[2] = count.key[2];
            else
                way->key[2]++;
            return (__u32)way->key[2] > XV_MISS_SHARE;
        }
        if (way->raised < least) {
            least = way->raised;
            oldest = n;
        }
    }
    set->way[oldest & (XV_RATELIMIT_WAYS - 1)] = count;
    return 0;
}

static long raise_one(__u32 index, void *context)
{
    struct raise_loop *loop = context;
    struct xv_counters *c;
    __u32 *tap, ifindex;
    __u64 before;
    void *ring;

    if (index >= XV_LISTENERS_MAX || !(loop->listener_mask >> index))
        return 1; /* no more listeners; an empty round would take 20 ns */
    if (!(loop->listener_mask >> index & 1))
        return 0;
    ring = bpf_map_lookup_elem(&listeners, &index);
    tap = bpf_map_lookup_elem(&wakeup_taps, &index);
    if (!ring || !tap)
        return 0;
    ifindex = loop->skb->gso_size ? 0 : *tap;
    before = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
    if ((before - bpf_ringbuf_query(ring, BPF_RB_CONS_POS) >
             bpf_ringbuf_query(ring, BPF_RB_RING_SIZE) / 2 &&
         miss_is_over_share(loop->slot, loop->event.time)) ||
        bpf_ringbuf_output(ring, &loop->event, sizeof(loop->event),
                           ifindex ? BPF_RB_NO_WAKEUP : 0)) {
        c = counters_of(loop->slot);
        if (c)
            c->events_lost++;
        return 0;
    }
    loop->waiting &= ~(1U << index);
    /* Wake the reader if it has read everything before this event, as the ring buffer would. */
    if (ifindex && (__s64)(bpf_ringbuf_query(ring, BPF_RB_CONS_POS) - before) >= 0 &&
        bpf_clone_redirect(loop->skb, ifindex, 0))
        wake_by_ring(ring);
    return 0;
}

/* The way of its set to note the event in, or -1: it was raised within the last second. */
XV_STEP int ratelimit_way(const struct xv_ratelimit *miss)
{
    struct xv_ratelimit_set *set;
    __u64 least = ~0ULL; /* kept beside `oldest`, or the verifier combines all ways */
    __u32 at, oldest = 0;

    if (!miss)
        return -1;
    at = ratelimit_set(miss);
    set = bpf_map_lookup_elem(&miss_ratelimit, &at);
    if (!set)
        return -1;
#pragma unroll
    for (int n = 0; n < XV_RATELIMIT_WAYS; n++) {
        struct xv_ratelimit *way = &set->way[n];

        if (way->key[0] == miss->key[0] && way->key[1] == miss->key[1] &&
            way->key[2] == miss->key[2])
            return miss->raised < way->raised + XV_SECOND ? -1 : n;
        if (way->raised < least) {
            least = way->raised;
            oldest = n;
        }
    }
    return oldest;
}

static __always_inline void ratelimit_note(const struct xv_ratelimit *miss, int way)
{
    __u32 at = ratelimit_set(miss);
    struct xv_ratelimit_set *set = bpf_map_lookup_elem(&miss_ratelimit, &at);

    if (set)
        set->way[way & (XV_RATELIMIT_WAYS - 1)] = *miss;
}

/* Raises an event for `addr`: an IP address, or a MAC followed by zeros. */
XV_STEP int miss_raise(struct __sk_buff *skb, const struct xv_vtep *vtep, __u32 kind,
                       const struct xv_addr *addr, __u64 now)
{
    struct raise_loop loop = {.skb = skb};
    __u32 zero = 0, *listeners_bits = bpf_map_lookup_elem(&listener_mask, &zero);
    struct xv_ratelimit miss = {.raised = now};
    int way;

    if (!vtep || !addr || !listeners_bits || !*listeners_bits)
        return 0;
    miss.key[0] = ((__u64)kind << 32 | vtep->ifindex) ^ (__u64)vtep->vni << 40;
    __builtin_memcpy(&miss.key[1], addr, sizeof(*addr));
    way = ratelimit_way(&miss);
    if (way < 0)
        return 0;
    loop.listener_mask = loop.waiting = *listeners_bits;
    loop.slot = vtep->slot;
    loop.event.time = now;
    loop.event.vni = vtep->vni;
    loop.event.vid = vtep->vid;
    loop.event.ifindex = vtep->ifindex;
    loop.event.kind = kind;
    loop.event.dstport = vtep->dstport;
    if (kind == XV_EVENT_L2MISS)
        __builtin_memcpy(loop.event.mac, addr, 6);
    else
        loop.event.addr = *addr;
    bpf_loop(XV_LISTENERS_MAX, raise_one, &loop, 0);
    if (loop.waiting != loop.listener_mask)
        ratelimit_note(&miss, way);
    return 0;
}

static __always_inline void l2miss(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   const __u8 *mac, __u64 now)
{
    struct xv_addr addr = {};

    if (!(vtep->flags & XV_VTEP_L2MISS) || mac_is_multicast(mac))
        return;
    __builtin_memcpy(&addr, mac, 6);
    miss_raise(skb, vtep, XV_EVENT_L2MISS, &addr, now);
}

static __always_inline void l3miss(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   const struct xv_addr *addr, __u64 now)
{
    if (vtep->flags & XV_VTEP_L3MISS)
        miss_raise(skb, vtep, XV_EVENT_L3MISS, addr, now);
}

#endif
