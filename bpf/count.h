/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters. Every frame is counted once, when a program is done with it. */
#ifndef XVTEP_BPF_COUNT_H
#define XVTEP_BPF_COUNT_H

#include "bpf/common.h"
#include "bpf/maps.h"

static __always_inline struct xv_counters *counters_of(__u32 slot)
{
    return bpf_map_lookup_elem(&counters, &slot);
}

static __always_inline void count_reason(__u32 slot, int reason, __u32 packets)
{
    struct xv_counters *c = counters_of(slot);
    __u64 at = (__u32)reason;

    /* The compiler must compare the register that is the index, or Linux 6.1 misses the bound. */
    asm volatile("" : "+r"(at));
    if (c && at < XV_REASONS)
        c->reason[at] += packets;
}

/* Counts a frame whose source the FDB has no room for. */
static __always_inline void count_not_learned(__u32 slot)
{
    struct xv_counters *c = counters_of(slot);

    if (c)
        c->not_learned++;
}

static __always_inline void count_rx(__u32 slot, __u32 packets, __u64 bytes)
{
    struct xv_counters *c = counters_of(slot);

    if (c) {
        c->rx_packets += packets;
        c->rx_bytes += bytes;
    }
}

static __always_inline void count_tx(__u32 slot, __u32 packets, __u64 bytes)
{
    struct xv_counters *c = counters_of(slot);

    if (c) {
        c->tx_packets += packets;
        c->tx_bytes += bytes;
    }
}

#endif
