/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GSO packets from the tunnel. No helper takes the tunnel's marks off one (SKB_GSO_UDP_TUNNEL,
 * skb->encapsulation): a UDP socket then drops it, a tap device splits it. The kernel's device takes
 * them off. It hands packets on a little later than we do, so a flow that has GSO packets goes its
 * way whole, or its packets would overtake each other.
 */
#ifndef XVTEP_BPF_MERGED_H
#define XVTEP_BPF_MERGED_H

#include "bpf/age.h"
#include "bpf/parse.h"

#define XV_MERGED_LIFE (64ULL << 20) /* ns: longer than the kernel's queues take */

static __always_inline int is_merged(const struct __sk_buff *skb, const struct outer *o, __u64 now)
{
    __u32 at = (o->src.word[3] ^ o->src.word[3] >> 16 ^ o->sport) & (XV_MERGED_FLOWS - 1);
    __u32 *last = bpf_map_lookup_elem(&merged, &at);

    if (!skb->gso_size)
        return last && *last && xv_since(now, *last) < XV_MERGED_LIFE;
    if (last && *last != (xv_stamp(now) | 1))
        *last = xv_stamp(now) | 1; /* 0 is never */
    return 1;
}

#endif
