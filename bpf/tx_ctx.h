/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a frame on its way from the overlay to the tunnel, besides the skb. */
#ifndef XVTEP_BPF_TX_CTX_H
#define XVTEP_BPF_TX_CTX_H

#include <linux/if_ether.h>

#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/skb.h"

enum path_state {
    XV_PATH_NOT_ASKED, /* only the remote's own copy may be used */
    XV_PATH_FOUND,
    XV_PATH_NONE, /* the kernel's device must send */
};

/* Compact, as it is on the stack while all other steps run. */
struct tx_ctx {
    __u64 now;
    __u64 sum;           /* of the frame behind its L2 header, for a UDP checksum */
    __u32 ifindex;       /* the frame came from this device: answers to its sender go there */
    __u32 vid;           /* the tag that was taken off, or 0 */
    __u32 inner_mtu;     /* with XV_OVER_MTU: the largest inner L3 packet */
    int action;          /* with XV_CONTINUE, XV_PROXIED and XV_PKT_TOO_BIG */
    struct xv_path path; /* the way to the remote, as path_state says */
    struct ethhdr eth;
    __u8 redirect : 1;        /* flags of bpf_redirect() for answers: BPF_F_INGRESS */
    __u8 short_circuited : 1; /* rsc has rewritten the MACs */
    __u8 no_nexthop : 1;      /* with XV_RESOLVE: no next hop is known, for no size of packet */
    __u8 by_gateway : 1;      /* the kernel must resolve it: see multipath_work.gateway */
    __u8 path_state;          /* enum path_state */
};

/* As to_action(), for the reasons that may come with an action. */
static __always_inline int tx_to_action(const struct tx_ctx *tx, __u32 slot, int reason,
                                        __u32 packets)
{
    if (reason == XV_CONTINUE)
        return tx->action;
    if (reason == XV_PROXIED || reason == XV_PKT_TOO_BIG) {
        count_reason(slot, reason, packets);
        return tx->action;
    }
    return to_action(slot, reason, packets);
}

#endif
