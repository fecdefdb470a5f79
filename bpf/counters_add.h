/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Adds to the counters of the CPU that runs the program, while other programs count there: user
 * space can only set the counters of a CPU. It hands over a "packet" of rows (user/vtep/carry.h).
 */
#ifndef XVTEP_BPF_COUNTERS_ADD_H
#define XVTEP_BPF_COUNTERS_ADD_H

#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/maps.h"

struct counters_loop {
    struct __sk_buff *skb;
    __u32 offset; /* of the row in the packet */
    __u32 index;
    __u32 of_remote;
};

static long add_number(__u32 n, void *context)
{
    struct counters_loop *loop = context;
    struct xv_remote_counters *of_remote;
    struct xv_counters *of_slot;
    __u64 more;

    if (bpf_skb_load_bytes(loop->skb, loop->offset + 8 + n * sizeof(more), &more, sizeof(more)))
        return 1;
    /* Atomic, as a softirq may count in between. */
    if (loop->of_remote) {
        of_remote = bpf_map_lookup_elem(&remote_counts, &loop->index);
        if (of_remote)
            __sync_fetch_and_add((__u64 *)of_remote + (n & 3), more);
    } else {
        of_slot = bpf_map_lookup_elem(&counters, &loop->index);
        if (of_slot)
            __sync_fetch_and_add((__u64 *)of_slot + (n & 63), more);
    }
    return 0;
}

static long add_row(__u32 n, void *context)
{
    struct counters_loop *loop = context;

    loop->offset = n * sizeof(struct xv_counters_row);
    if (bpf_skb_load_bytes(loop->skb, loop->offset, &loop->index, 8))
        return 1;
    bpf_loop(loop->of_remote ? 4 : 64, add_number, loop, 0);
    return 0;
}

static __always_inline __u32 add_counters(struct __sk_buff *skb)
{
    struct counters_loop loop = {.skb = skb};

    bpf_loop(skb->len / sizeof(struct xv_counters_row), add_row, &loop, 0);
    return 0;
}

#endif
