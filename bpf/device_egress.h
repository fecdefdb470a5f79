/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress of a VTEP's own device: frames from the host's stack or the bridge. */
#ifndef XVTEP_BPF_DEVICE_EGRESS_H
#define XVTEP_BPF_DEVICE_EGRESS_H

#include "bpf/abi/tables.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/device_by_key.h"
#include "bpf/fdb.h"
#include "bpf/marks.h"
#include "bpf/send.h"
#include "bpf/sender.h"
#include "bpf/skb.h"
#include "bpf/tx_ctx.h"

/* Whether `proxy` leaves the frame alone: a host behind a local port answers for itself. */
static __always_inline int is_to_local_port(const struct xv_vtep *vtep, const struct tx_ctx *tx)
{
    struct xv_fdb *entry;

    if (!vtep->members || mac_is_multicast(tx->eth.h_dest))
        return 0;
    entry = fdb_find(vtep, tx->eth.h_dest, tx->now);
    return entry && entry->flags & XV_FDB_LOCAL;
}

/* An answer to a frame that a local port has handed over goes to that port. */
static __always_inline void answer_to_port(const struct xv_vtep *vtep, struct tx_ctx *tx)
{
    struct xv_fdb *entry = fdb_find(vtep, tx->eth.h_source, tx->now);

    if (!entry || !(entry->flags & XV_FDB_LOCAL))
        return;
    tx->ifindex = entry->to;
    tx->vid = entry->several;
    tx->redirect = 0;
}

/*
 * As device_to_tunnel(), for a device with many VNIs: what the programs cannot send, the kernel's
 * device sends by tunnel metadata, and without an entry it has nobody to send to.
 */
static __always_inline int vlan_to_tunnel(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                          struct xv_fdb *entry, struct tx_ctx *tx, __u32 packets)
{
    struct xv_fdb_key key;
    int reason, by_key;

    fdb_key(&key, vtep, tx->eth.h_dest);
    if (!entry || !fdb_remote(entry)) {
        entry = fdb_default(vtep);
        __builtin_memset(key.mac, 0, sizeof(key.mac));
    }
    reason = send_by_entry(skb, vtep, entry, tx);
    if (!entry || (reason != XV_RESOLVE && !reason_passes(reason)))
        return tx_to_action(tx, vtep->slot, reason, packets);
    if (reason == XV_FLOODED) {
        by_key = flood_by_key(skb, vtep, entry, &key, tx->now);
    } else {
        leave_to_kernel(skb, vtep, fdb_remote(entry), reason == XV_RESOLVE ? XV_LEAVE_COUNT_TX : 0);
        by_key = send_by_key(skb, vtep, fdb_remote(entry));
    }
    if (by_key != XV_CONTINUE)
        return to_action(vtep->slot, by_key, packets);
    return reason == XV_RESOLVE ? XV_PASS : to_action(vtep->slot, reason, packets);
}

/* Sends the frame into the tunnel. `entry`: that of its MAC, or NULL. Returns the action. */
static __always_inline int device_to_tunnel(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                            struct xv_fdb *entry, struct tx_ctx *tx, __u32 packets)
{
    int reason, unknown = !entry || !fdb_remote(entry);

    if (vtep->vid)
        return vlan_to_tunnel(skb, vtep, entry, tx, packets);
    if (!entry)
        entry = fdb_default(vtep);
    reason = send_by_entry(skb, vtep, entry, tx);
    if (reason == XV_NO_TX_TARGET) { /* the kernel's device drops it, or has an entry */
        count_reason(vtep->slot, reason, packets);
        skb->tc_index = XV_MARK_NO_ENTRY;
        return XV_PASS;
    }
    if (reason == XV_RESOLVE) {
        leave_to_kernel(skb, vtep, fdb_remote(entry),
                        XV_LEAVE_COUNT_TX | (unknown ? XV_LEAVE_ANY_VTEP : 0));
        if (!unknown && tx->no_nexthop)
            count_unanswered(vtep, entry, &tx->eth);
        return XV_PASS;
    }
    if (reason == XV_FLOODED) /* other VTEPs of this host may get it, too */
        skb->tc_index = sender_mark(&vtep->local, vtep->dstport, 0, tx->now);
    else if (reason_passes(reason))
        leave_to_kernel(skb, vtep, fdb_remote(entry), unknown ? XV_LEAVE_ANY_VTEP : 0);
    return tx_to_action(tx, vtep->slot, reason, packets);
}

#endif
