/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaves a frame to the kernel's device with many VNIs, which sends to the address in the packet's
 * tunnel metadata: one packet for each remote.
 */
#ifndef XVTEP_BPF_DEVICE_BY_KEY_H
#define XVTEP_BPF_DEVICE_BY_KEY_H

#include "bpf/abi/tables.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/marks.h"
#include "bpf/remote.h"
#include "bpf/sender.h"
#include "bpf/tunnel_key.h"

/* Whether the frame comes from flood_by_key() and has its remote already. */
static __always_inline int has_tunnel_key(struct __sk_buff *skb)
{
    return (skb->tc_index & XV_MARK_TYPE) == XV_MARK_SENDER || skb->tc_index == XV_MARK_KEYED;
}

/* Makes the kernel's device send the frame to `remote`. Returns XV_CONTINUE or a drop reason. */
XV_STEP int send_by_key(struct __sk_buff *skb, const struct xv_vtep *vtep,
                        const struct xv_remote *remote)
{
    struct tunnel_key to = {};
    int reason;

    if (!remote)
        return XV_NO_TX_TARGET;
    reason = tunnel_key_build(skb, vtep, &to);
    return reason == XV_CONTINUE ? tunnel_key_set(skb, &to, remote) : reason;
}

struct key_loop {
    struct __sk_buff *skb;
    struct tunnel_key to;
    struct xv_flood_key at;
};

static long clone_by_key(__u32 n, void *context)
{
    struct key_loop *loop = context;
    struct xv_remote *remote;
    __u32 *id;

    loop->at.index = n + 1;
    id = bpf_map_lookup_elem(&floods, &loop->at);
    remote = id ? remote_by_id(*id) : NULL;
    if (remote && tunnel_key_set(loop->skb, &loop->to, remote) == XV_CONTINUE)
        bpf_clone_redirect(loop->skb, loop->skb->ifindex, 0);
    return 0;
}

/*
 * Sends a copy to each further remote of the entry, which is that of `mac`, and makes the kernel's
 * device send the frame itself to the first. Returns XV_CONTINUE or a drop reason.
 */
XV_STEP int flood_by_key(struct __sk_buff *skb, const struct xv_vtep *vtep,
                         const struct xv_fdb *entry, const struct xv_fdb_key *key, __u64 now)
{
    struct key_loop loop = {.skb = skb};
    __u32 mark;
    int reason;

    if (!vtep || !entry || !key)
        return XV_REWRITE_FAILED;
    reason = tunnel_key_build(skb, vtep, &loop.to);
    if (reason != XV_CONTINUE)
        return reason;
    loop.at.entry = *key;
    mark =
        sender_mark(&vtep->local, vtep->dstport, 0, now); /* other VTEPs of this host may get it */
    skb->tc_index = mark ? mark : XV_MARK_KEYED;
    if (entry->several > 1)
        bpf_loop(entry->several - 1, clone_by_key, &loop, 0);
    return send_by_key(skb, vtep, fdb_remote(entry));
}

#endif
