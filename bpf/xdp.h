/* SPDX-License-Identifier: GPL-2.0-only */
/* Access to a packet in XDP programs, and their actions. */
#ifndef XVTEP_BPF_XDP_H
#define XVTEP_BPF_XDP_H

#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/cursor.h"

static __always_inline struct cursor xdp_cursor(struct xdp_md *xdp)
{
    return (struct cursor){.at = (void *)(long)xdp->data, .end = (void *)(long)xdp->data_end};
}

/* Counts drops, which are final here. The TC program behind counts what is passed on. */
static __always_inline int xdp_to_action(__u32 slot, int reason)
{
    if (!reason_drops(reason))
        return XDP_PASS;
    count_reason(slot, reason, 1);
    return XDP_DROP;
}

#endif
