/* SPDX-License-Identifier: GPL-2.0-only */
/* The single exit: every frame is counted here, once. */
#ifndef XVTEP_BPF_VERDICT_H
#define XVTEP_BPF_VERDICT_H

#include "bpf/maps.h"

static __always_inline struct xv_counters *counters_of(__u32 slot)
{
    return bpf_map_lookup_elem(&counters, &slot);
}

static __always_inline void count_reason(__u32 slot, int reason, __u32 packets)
{
    struct xv_counters *c = counters_of(slot);
    __u64 at = (__u32)reason;

    /* One comparison of the very register that is the index, or Linux 6.1 does not see its bound.
     */
    asm volatile("" : "+r"(at));
    if (c && at < XV_REASONS)
        c->reason[at] += packets;
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

static __always_inline int reason_drops(int reason)
{
    return reason >= XV_FIRST_DROPPED;
}

#endif
