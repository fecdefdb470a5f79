/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routes with several next hops (ECMP). The kernel's device sends all packets to a remote by one of
 * them, as it caches its route. The programs spread flows over all, by weight:
 *
 *   sampling: asks the routing table for many packets that differ in what it hashes; the next hops
 *             that it answers with, and how often, are those of the route
 *   buckets:  each next hop gets a share of XV_BUCKETS; a bucket keeps its next hop while that one
 *             is there and is due that many
 *   a packet: the bucket of its flow's hash
 *
 * Only a next hop that has just carried a packet of the kernel's device makes the answers count: so
 * a routing table that does not apply to these packets (a VRF, a rule) is not used.
 */
#ifndef XVTEP_BPF_MULTIPATH_H
#define XVTEP_BPF_MULTIPATH_H

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fib.h"
#include "bpf/maps.h"
#include "bpf/tx_ctx.h"

#define XV_SAMPLES_FIRST 32 /* if all of them go one way, the route has one next hop */
#define XV_SAMPLES 256

struct sample_loop {
    struct __sk_buff *skb;
    struct multipath_work *work;
    struct fib_sample sample;
};

/* The work area, for packets of this key and source, or NULL. */
static __always_inline struct multipath_work *multipath_begin(const struct xv_nexthop_key *key,
                                                              const struct xv_addr *from)
{
    __u32 zero = 0;
    struct multipath_work *work = bpf_map_lookup_elem(&multipath_work, &zero);

    if (work) {
        work->key = *key;
        work->from = *from;
    }
    return work;
}

/* Tells the next hops of a route apart; never 0. */
static __always_inline __u64 hop_id(const struct xv_hop *hop)
{
    const mac_part *d = (const mac_part *)hop->dmac, *s = (const mac_part *)hop->smac;

    return ((__u64)hop->ifindex << 32 | halves(d[0], d[1])) * 0x9e3779b97f4a7c15ULL +
               ((__u64)halves(d[2], s[0]) << 32 | halves(s[1], s[2])) |
           1;
}

/* The number of the next hop with this id, or XV_HOPS_MAX. */
static __always_inline __u32 hop_find(const struct multipath_work *work, __u64 id)
{
    __u32 found = XV_HOPS_MAX;

    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        found = work->hop_ids[i] == id ? i : found;
    return found;
}

static long sample_one(__u32 n, void *context)
{
    struct sample_loop *loop = context;
    struct multipath_work *work = loop->work;
    struct xv_multipath *draft = &work->draft;
    struct xv_hop hop XV_ALIGN2;
    __u64 id, at;

    loop->sample.number = n;
    if (!fib_look_up(loop->skb, &work->key, &work->from, loop->sample, &work->query, &hop))
        return 0;
    id = hop_id(&hop);
    at = hop_find(work, id);
    if (at < XV_HOPS_MAX) {
        draft->weight[at]++;
        return 0;
    }
    at = draft->hops;
    if (at >= XV_HOPS_MAX)
        return 0;
    draft->hops++;
    work->hop_ids[at] = id;
    draft->hop[at] = hop;
    draft->resolved[at] = 0;
    draft->sample[at] = n;
    draft->weight[at] = 1;
    return 0;
}

static __always_inline void sample(struct sample_loop *loop, __u32 samples)
{
    __builtin_memset(loop->work->hop_ids, 0, sizeof(loop->work->hop_ids));
    loop->work->draft.hops = 0;
    bpf_loop(samples, sample_one, loop, 0);
}

struct bucket_loop {
    struct multipath_work *work;
    const struct xv_multipath *old; /* or NULL */
};

#define XV_NO_HOP 0xff

/* Whether it is the same next hop, perhaps before or after it was resolved. */
static __always_inline int hop_continues(const struct xv_hop *old, const struct xv_hop *now)
{
    return old->ifindex == now->ifindex &&
           (mac_equal(old->dmac, now->dmac) || mac_is_zero(old->dmac) || mac_is_zero(now->dmac));
}

/* Gives the bucket to a next hop that is due one: to the one that has it, if `kept`. */
static __always_inline int give_bucket(struct bucket_loop *loop, __u64 bucket,
                                       const struct xv_hop *kept)
{
    struct multipath_work *work = loop->work;

    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        if (work->left[i] && (!kept || hop_continues(kept, &work->draft.hop[i]))) {
            work->left[i]--;
            work->draft.bucket[bucket] = i;
            return 1;
        }
    return 0;
}

static long keep_bucket(__u32 n, void *context)
{
    struct bucket_loop *loop = context;
    __u64 bucket = n & (XV_BUCKETS - 1);
    struct xv_hop kept XV_ALIGN2;

    loop->work->draft.bucket[bucket] = XV_NO_HOP;
    if (loop->old) {
        kept = loop->old->hop[loop->old->bucket[bucket] & (XV_HOPS_MAX - 1)];
        give_bucket(loop, bucket, &kept);
    }
    return 0;
}

static long fill_bucket(__u32 n, void *context)
{
    struct bucket_loop *loop = context;
    __u64 bucket = n & (XV_BUCKETS - 1);

    if (loop->work->draft.bucket[bucket] == XV_NO_HOP)
        give_bucket(loop, bucket, NULL);
    return 0;
}

/* Sets `left` to the shares by weight; to equal ones, if the samples do not deny it. */
XV_STEP int share_buckets(struct multipath_work *work)
{
    __u32 total = 0, given = 0, equal = 1, hops;
    struct xv_multipath *draft;

    if (!work || !work->draft.hops)
        return 0;
    draft = &work->draft;
    hops = draft->hops;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        if (i >= hops)
            draft->weight[i] = 0;
        total += draft->weight[i];
    }
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) /* 3 standard deviations are less than a quarter */
        equal &= i >= hops || (draft->weight[i] * hops * 4 + 32 >= total * 3 &&
                               draft->weight[i] * hops * 4 <= total * 5 + 32);
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        if (equal && i < hops)
            draft->weight[i] = 1;
        work->left[i] = draft->weight[i] * XV_BUCKETS / (equal ? hops : total | 1);
        given += work->left[i];
    }
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        if (i < hops && given < XV_BUCKETS) {
            work->left[i]++;
            given++;
        }
    return 0;
}

static __always_inline void find_unfit_for_xdp(struct xv_multipath *draft)
{
    draft->no_xdp = 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &draft->hop[i].ifindex);

        if (!underlay || !underlay->xdp_xmit)
            draft->no_xdp |= 1 << i;
    }
}

static __always_inline void keep_resolved(struct xv_multipath *draft,
                                          const struct xv_multipath *old)
{
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        if (hop_equal(&draft->hop[i], &old->hop[i])) {
            draft->resolved[i] = old->resolved[i];
            draft->silent |= old->silent & 1 << i;
        }
}

/*
 * Finds the next hops for packets of this key. `used`: that of a packet of the kernel's device.
 * Returns how many there are, with an element in `multipaths` if several; 0 if the routing table
 * does not lead to `used`.
 */
XV_STEP int multipath_learn(struct __sk_buff *skb, const struct xv_nexthop_key *key,
                            const struct xv_addr *from, const struct xv_hop *used)
{
    struct sample_loop sampling = {.skb = skb};
    struct bucket_loop filling = {};
    struct multipath_work *work;
    __u32 zero = 0, *changes;

    if (!key || !from || !used)
        return 0;
    work = multipath_begin(key, from);
    if (!work)
        return 0;
    sampling.work = filling.work = work;
    sample(&sampling, XV_SAMPLES_FIRST);
    changes = bpf_map_lookup_elem(&host_changes, &zero);
    if (work->draft.hops == 1 && addr_is_v4(&work->key.dst) && changes &&
        !(*changes & XV_HOST_SOURCE_RULES)) {
        sampling.sample.by_source = 1;
        sample(&sampling, XV_SAMPLES_FIRST);
    }
    if (hop_find(work, hop_id(used)) == XV_HOPS_MAX)
        return 0;
    if (work->draft.hops == 1)
        return 1;
    sample(&sampling, XV_SAMPLES);
    find_unfit_for_xdp(&work->draft);
    work->draft.by_source = sampling.sample.by_source;
    share_buckets(work);
    work->draft.silent = 0;
    filling.old = bpf_map_lookup_elem(&multipaths, &work->key);
    if (filling.old)
        keep_resolved(&work->draft, filling.old);
    bpf_loop(XV_BUCKETS, keep_bucket, &filling, 0);
    bpf_loop(XV_BUCKETS, fill_bucket, &filling, 0);
    if (bpf_map_update_elem(&multipaths, &work->key, &work->draft, BPF_ANY))
        return 1;
    return work->draft.hops;
}

/* Whether the kernel resolves the next hop's MAC from time to time, and has done so lately. */
static __always_inline int hop_is_resolved(const struct xv_multipath *m, __u64 n, __u64 now)
{
    return !mac_is_zero(m->hop[n].dmac) && m->resolved[n] &&
           xv_since(now, m->resolved[n]) < XV_SECOND;
}

/* The number of the flow's next hop. */
static __always_inline __u64 multipath_of_flow(const struct xv_multipath *m, __u32 flow_hash)
{
    return m->bucket[flow_hash & (XV_BUCKETS - 1)] & (XV_HOPS_MAX - 1);
}

/* Redirects to tx->path.hop; the kernel resolves it if choose_hop() has said so. */
static __always_inline int to_hop(struct __sk_buff *skb, const struct tx_ctx *tx)
{
    struct multipath_work *work;
    __u32 zero = 0;

    if (!tx->by_gateway)
        return bpf_redirect(tx->path.hop.ifindex, 0);
    work = bpf_map_lookup_elem(&multipath_work, &zero);
    if (!work)
        return TC_ACT_SHOT;
    /*
     * Drops the route of the inner packet, if it is the host's own: while the next hop is being
     * resolved the packet waits, and the kernel would then send it to a neighbour of that route.
     */
    bpf_skb_set_tunnel_key(skb, &work->zeros, sizeof(work->zeros), 0);
    return bpf_redirect_neigh(tx->path.hop.ifindex, &work->gateway, sizeof(work->gateway), 0);
}

/*
 * A packet of the kernel's device has left by the next hop of that device: makes it leave by its
 * flow's. leave_to_kernel() has set skb->hash. Returns the action.
 */
static __always_inline int steer(struct __sk_buff *skb, const struct xv_nexthop_key *key)
{
    struct xv_multipath *m = bpf_map_lookup_elem(&multipaths, key);
    struct xv_hop hop XV_ALIGN2;
    __u64 n;

    if (!m)
        return XV_PASS;
    n = multipath_of_flow(m, skb->hash);
    hop = m->hop[n];
    if (mac_is_zero(hop.dmac) || bpf_skb_store_bytes(skb, 0, hop.dmac, 2 * ETH_ALEN, 0))
        return XV_PASS;
    return hop.ifindex == skb->ifindex ? XV_PASS : bpf_redirect(hop.ifindex, 0);
}

#endif
