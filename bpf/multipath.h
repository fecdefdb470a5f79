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
#include "bpf/hop.h"
#include "bpf/maps.h"
#include "bpf/tx_ctx.h"

#define XV_SAMPLES_FIRST 32 /* if all of them go one way, the route has one next hop */
#define XV_SAMPLES 256

struct sample_loop {
    struct __sk_buff *skb;
    __u32 by_source;
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

/* 1 if x is not 0, else 0: no branch to the verifier, nor to the compiler. */
static __always_inline __u64 is_not_zero(__u64 x)
{
    x |= -x;
    asm volatile("" : "+r"(x));
    x >>= 63;
    asm volatile("" : "+r"(x));
    return x;
}

/*
 * The number of the next hop with this id, or XV_HOPS_MAX. No branch depends on what is found,
 * since the verifier would go on separately with each result.
 */
static __always_inline __u64 hop_find(const struct multipath_work *work, __u64 id)
{
    __u64 found = XV_HOPS_MAX;

    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        found -= (XV_HOPS_MAX - i) * (1 - is_not_zero(work->hop_ids[i] ^ id));
    return found;
}

static long sample_one(__u32 n, void *context)
{
    struct sample_loop *loop = context;
    __u32 zero = 0;
    struct multipath_work *work = bpf_map_lookup_elem(&multipath_work, &zero);
    struct xv_multipath *draft;
    __u64 id, at;

    if (!work || !fib_look_up(loop->skb, n, loop->by_source))
        return 0;
    draft = &work->draft;
    id = hop_id(&work->answer);
    at = hop_find(work, id);
    /* The compiler must compare the register that is the index: the verifier needs the bound. */
    asm volatile("" : "+r"(at));
    if (at < XV_HOPS_MAX) {
        draft->weight[at]++;
        return 0;
    }
    at = draft->hops;
    if (at >= XV_HOPS_MAX)
        return 0;
    draft->hops++;
    work->hop_ids[at] = id;
    draft->hop[at] = work->answer;
    draft->resolved[at] = 0;
    draft->sample[at] = n;
    draft->weight[at] = 1;
    return 0;
}

/* Finds the next hops that so many samples go by: sets multipath_work.draft. */
XV_STEP int sample(struct __sk_buff *skb, __u32 samples, __u32 by_source)
{
    struct sample_loop loop = {.skb = skb, .by_source = by_source};
    __u32 zero = 0;
    struct multipath_work *work = bpf_map_lookup_elem(&multipath_work, &zero);

    if (!work)
        return 0;
    __builtin_memset(work->hop_ids, 0, sizeof(work->hop_ids));
    __builtin_memset(work->draft.weight, 0, sizeof(work->draft.weight));
    work->draft.hops = 0;
    bpf_loop(samples, sample_one, &loop, 0);
    return 0;
}

struct bucket_loop {
    struct multipath_work *work;
    const struct xv_multipath *old; /* or NULL */
};

#define XV_NO_HOP 0xff

static __always_inline __u64 mac_bits(const __u8 *mac)
{
    const mac_part *m = (const mac_part *)mac;

    return (__u64)m[0] << 32 | (__u32)m[1] << 16 | m[2];
}

/* 0 if it is the same next hop, perhaps before or after it was resolved; else 1. */
static __always_inline __u64 hop_breaks_off(const struct xv_hop *old, const struct xv_hop *now)
{
    __u64 before = mac_bits(old->dmac), after = mac_bits(now->dmac);

    return is_not_zero(old->ifindex ^ now->ifindex) |
           (is_not_zero(before ^ after) & is_not_zero(before) & is_not_zero(after));
}

/* Gives the bucket to a next hop that is due one: to the one that has it, `kept`, or to `any`. */
XV_STEP int give_bucket(struct multipath_work *work, __u64 bucket, const struct xv_hop *kept,
                        __u32 any)
{
    bucket &= XV_BUCKETS - 1;
    if (!work || !kept)
        return 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        if (hop_breaks_off(kept, &work->draft.hop[i]) <= any && work->left[i]) {
            work->left[i]--;
            work->draft.bucket[bucket] = i;
            return 1;
        }
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
        give_bucket(loop->work, bucket, &kept, 0);
    }
    return 0;
}

static long fill_bucket(__u32 n, void *context)
{
    struct bucket_loop *loop = context;
    __u64 bucket = n & (XV_BUCKETS - 1);

    if (loop->work->draft.bucket[bucket] == XV_NO_HOP)
        give_bucket(loop->work, bucket, &loop->work->draft.hop[0], 1);
    return 0;
}

/* -1 if a is less than b, else 0: the verifier sees no branch. */
static __always_inline __s64 is_less(__s64 a, __s64 b)
{
    __s64 difference = a - b;

    asm volatile("" : "+r"(difference));
    return difference >> 63;
}

/*
 * Sets `left` to the shares by weight; to equal ones, if the samples do not deny it. Only the first
 * `hops` of the draft have a weight.
 */
XV_STEP int share_buckets(struct multipath_work *work)
{
    struct xv_multipath *draft;
    __s64 total = 0, given = 0, uneven = 0, hops, has;

    if (!work || !work->draft.hops)
        return 0;
    draft = &work->draft;
    hops = draft->hops;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        total += draft->weight[i];
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) { /* 3 standard deviations are less than a quarter */
        __s64 four = draft->weight[i] * hops * 4;

        has = is_less(0, draft->weight[i]);
        uneven |= has & (is_less(four + 32, total * 3) | is_less(total * 5 + 32, four));
    }
    total = ((total | 1) & uneven) | (hops & ~uneven);
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        has = is_less(0, draft->weight[i]);
        draft->weight[i] = (draft->weight[i] & uneven) | (has & ~uneven & 1);
        work->left[i] = (__u64)draft->weight[i] * XV_BUCKETS / (__u64)total;
        given += work->left[i];
    }
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++) {
        has = is_less(0, draft->weight[i]) & is_less(given, XV_BUCKETS) & 1;
        work->left[i] += has;
        given += has;
    }
    return 0;
}

/* What is kept about next hop `i` from `old`, or NULL, and whether XDP can send by its port. */
XV_STEP int finish_hop(struct multipath_work *work, const struct xv_multipath *old, __u32 i)
{
    struct xv_multipath *draft;

    if (!work || i >= XV_HOPS_MAX)
        return 0;
    draft = &work->draft;
    if (!(xmit_of(draft->hop[i].ifindex) & XV_XMIT_XDP))
        draft->no_xdp |= 1 << i;
    if (old && hop_equal(&draft->hop[i], &old->hop[i])) {
        draft->resolved[i] = old->resolved[i];
        draft->silent |= old->silent & 1 << i;
    }
    return 0;
}

/*
 * Finds the next hops for packets of this key. `used`: that of a packet of the kernel's device.
 * Returns how many there are, with an element in `multipaths` if several; 0 if the routing table
 * does not lead to `used`.
 */
XV_STEP int multipath_learn(struct __sk_buff *skb, const struct xv_nexthop_key *key,
                            const struct xv_addr *from, const struct xv_hop *used)
{
    struct bucket_loop filling = {};
    struct multipath_work *work;
    __u32 zero = 0, by_source = 0, *changes;

    if (!key || !from || !used)
        return 0;
    work = multipath_begin(key, from);
    if (!work)
        return 0;
    filling.work = work;
    sample(skb, XV_SAMPLES_FIRST, 0);
    changes = bpf_map_lookup_elem(&host_changes, &zero);
    if (work->draft.hops == 1 && addr_is_v4(&work->key.dst) && changes &&
        !(*changes & XV_HOST_SOURCE_RULES)) {
        by_source = 1;
        sample(skb, XV_SAMPLES_FIRST, 1);
    }
    if (hop_find(work, hop_id(used)) == XV_HOPS_MAX)
        return 0;
    if (work->draft.hops == 1)
        return 1;
    sample(skb, XV_SAMPLES, by_source);
    work->draft.by_source = by_source;
    share_buckets(work);
    work->draft.silent = 0;
    work->draft.no_xdp = 0;
    filling.old = bpf_map_lookup_elem(&multipaths, &work->key);
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < XV_HOPS_MAX; i++)
        finish_hop(work, filling.old, i);
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

/* As steer(), for a packet without an Ethernet header, which may have to get one. */
static __always_inline int steer_l3(struct __sk_buff *skb, const struct xv_nexthop_key *key)
{
    struct xv_multipath *m = bpf_map_lookup_elem(&multipaths, key);
    struct ethhdr eth XV_ALIGN2;
    struct xv_hop hop XV_ALIGN2;

    if (!m)
        return XV_PASS;
    hop = m->hop[multipath_of_flow(m, skb->hash)];
    if (mac_is_zero(hop.dmac) || hop.ifindex == skb->ifindex)
        return XV_PASS;
    if (!hop_is_l3(&hop)) {
        mac_copy(eth.h_dest, hop.dmac);
        mac_copy(eth.h_source, hop.smac);
        eth.h_proto = skb->protocol;
        if (bpf_skb_change_head(skb, sizeof(eth), 0))
            return XV_PASS;
        if (bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
            return TC_ACT_SHOT;
    }
    return bpf_redirect(hop.ifindex, 0);
}

#endif
