/* SPDX-License-Identifier: GPL-2.0-only */
/* The sum over bytes of a packet. */
#ifndef XVTEP_BPF_SKB_SUM_H
#define XVTEP_BPF_SKB_SUM_H

#include "bpf/common.h"

struct sum_loop {
    struct __sk_buff *skb;
    __u32 at, end;
    __u32 sum;
};

#define XV_SUM_CHUNK 64

static long sum_chunk(__u32 index, void *context)
{
    struct sum_loop *loop = context;
    __u8 chunk[XV_SUM_CHUNK] = {};
    __u32 size = loop->end - loop->at;

    if (loop->at >= loop->end)
        return 1;
    if (size > XV_SUM_CHUNK)
        size = XV_SUM_CHUNK;
    /* Linux 6.1's verifier does not see that `size` is not 0. */
    asm volatile("" : "+r"(size));
    size = ((size - 1) & (XV_SUM_CHUNK - 1)) + 1;
    if (bpf_skb_load_bytes(loop->skb, loop->at, chunk, size))
        return 1;
    loop->sum = bpf_csum_diff(NULL, 0, (__be32 *)chunk, sizeof(chunk), loop->sum);
    loop->at += size;
    return 0;
}

/* Adds the sum of the bytes from `from` to before `end`. Returns 0, or -1. */
static __always_inline int skb_sum(struct __sk_buff *skb, __u32 from, __u32 end, __u64 *total)
{
    struct sum_loop loop = {.skb = skb, .at = from, .end = end};

    bpf_loop(65536 / XV_SUM_CHUNK, sum_chunk, &loop, 0);
    *total += loop.sum;
    return loop.at == loop.end ? 0 : -1;
}

#endif
