/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers of a VTEP to the sender of a frame: ICMP errors, and those of `proxy`. */
#ifndef XVTEP_BPF_ANSWER_H
#define XVTEP_BPF_ANSWER_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/marks.h"
#include "bpf/tx_ctx.h"

/*
 * Whether the source of a local port's frame is known to be elsewhere: at the VTEP's device, at
 * another port, or by a static entry behind another VTEP. The answer is not for the port then.
 */
XV_STEP int is_of_another_place(const struct xv_vtep *vtep, const struct tx_ctx *tx)
{
    struct place here = {};
    struct xv_fdb *entry;

    if (!vtep || !tx || tx->redirect)
        return 0;
    if (mac_equal(tx->eth.h_source, vtep->mac))
        return 1;
    here.ifindex = tx->ifindex;
    here.vid = tx->vid;
    entry = fdb_find(vtep, tx->eth.h_source, tx->now);
    return entry && !fdb_same_place(entry, &here, XV_FDB_LOCAL);
}

/* Sends the packet, which has become an answer, to the frame's sender. Returns `reason`. */
static __always_inline int answer(struct __sk_buff *skb, struct tx_ctx *tx, int reason)
{
    if (tx->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tx->vid))
        return XV_REWRITE_FAILED;
    skb->tc_index = XV_MARK_DELIVERED;
    tx->action = bpf_redirect(tx->ifindex, tx->redirect);
    return reason;
}

#endif
