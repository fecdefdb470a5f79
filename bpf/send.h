/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends a frame by its FDB entry: to another VTEP, to a VTEP of this host, or by the kernel. */
#ifndef XVTEP_BPF_SEND_H
#define XVTEP_BPF_SEND_H

#include <linux/if_ether.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/answer.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/deliver.h"
#include "bpf/encap.h"
#include "bpf/fdb.h"
#include "bpf/fdb_count.h"
#include "bpf/fdb_expiry.h"
#include "bpf/icmp_error.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/miss.h"
#include "bpf/multipath.h"
#include "bpf/nexthop.h"
#include "bpf/parse_inner.h"
#include "bpf/pmtu.h"
#include "bpf/remote.h"
#include "bpf/skb.h"
#include "bpf/source_mac.h"
#include "bpf/source_port.h"
#include "bpf/tc_encap.h"
#include "bpf/tx_ctx.h"
#include "bpf/udp_csum.h"
#include "bpf/vlan.h"
#include "bpf/vtep.h"

/* Sizes of a frame to be sent. */
struct tx_sizes {
    __u32 packets; /* of a GSO packet: its segments */
    __u32 l3_size; /* of an outer packet, or of the largest that segmentation makes */
    __u64 bytes;   /* of the inner frames */
};

/* `headers`: size of the inner headers. A tag in skb metadata counts as part of the frame. */
static __always_inline struct tx_sizes tx_sizes_of(struct __sk_buff *skb,
                                                   const struct xv_vtep *vtep, __u32 headers)
{
    __u32 tag = skb->vlan_present ? XV_TAG_SIZE : 0;
    struct tx_sizes sizes = {.packets = skb_segments(skb, headers), .bytes = skb->len + tag};

    sizes.l3_size =
        (skb->gso_size ? skb->gso_size + headers : skb->len) + tag + outer_size(vtep) - ETH_HLEN;
    sizes.bytes += (__u64)(sizes.packets - 1) * (headers + tag);
    return sizes;
}

/* Whether the frame fits the path: XV_CONTINUE, XV_OVER_MTU with tx->inner_mtu set, or a reason. */
static __always_inline int check_size(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                      const struct xv_remote *remote, int has_path, __u32 l3_size,
                                      struct tx_ctx *tx)
{
    __u32 mtu;

    if (skb->len + XV_OUTER_V6 + XV_TAG_SIZE > 0xffff) /* more than an IP header can express */
        return skb->gso_size ? XV_KERNEL_PATH : XV_OVERSIZE;
    mtu = exceeded_mtu(skb, has_path ? tx->path.hop.ifindex : nexthop_oif(vtep, remote),
                       has_path ? tx->path.mtu : pmtu_of(&remote->addr, tx->now), l3_size);
    if (!mtu)
        return XV_CONTINUE;
    tx->inner_mtu = mtu - outer_size(vtep) - (skb->vlan_present ? XV_TAG_SIZE : 0);
    return XV_OVER_MTU;
}

/*
 * Sets tx->path to the way to the remote of a parsed frame: its own copy, or the one that
 * path_renew() has found. Returns whether there is one.
 */
static __always_inline int take_path(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                     const struct xv_remote *remote, const struct inner *in,
                                     struct tx_ctx *tx)
{
    if (tx->path_state == XV_PATH_NOT_ASKED)
        tx->path = remote->path;
    if (tx->path_state == XV_PATH_NONE)
        return 0;
    if (tx->path.hops > 1 &&
        choose_hop(skb, vtep, remote, tx, (__u64)flow_hash(in) << 8 | outer_tos(vtep, in)))
        return 0;
    return is_alive_now(tx->path.hop.ifindex, tx->now);
}

/*
 * Sends to one VTEP. Returns XV_CONTINUE with tx->action set, XV_RENEW_PATH, XV_RESOLVE,
 * XV_LOCAL_VTEP, or a reason.
 */
static __always_inline int send_to(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   struct xv_remote *remote, struct tx_ctx *tx)
{
    struct inner in = {};
    struct tx_sizes sizes;
    int reason, has_path;

    if (parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (in.cut) /* the kernel's device drops it (skb_vlan_inet_prepare()), or has more tags */
        return XV_KERNEL_PATH;
    if (vtep->flags & XV_VTEP_GBP)
        in.mark = skb->mark;
    if (tx->path_state == XV_PATH_NOT_ASKED &&
        !(path_is_fresh(remote, tx->now) && is_usual(vtep, skb->mark, outer_tos(vtep, &in))))
        return XV_RENEW_PATH;
    has_path = take_path(skb, vtep, remote, &in, tx);
    if (!has_path && bpf_map_lookup_elem(&local_addrs, &remote->addr))
        return XV_LOCAL_VTEP;
    sizes = tx_sizes_of(skb, vtep, in.headers);
    reason = check_size(skb, vtep, remote, has_path, sizes.l3_size, tx);
    if (reason != XV_CONTINUE)
        return reason;
    /* bpf_skb_adjust_room() cannot tell segmentation to compute outer checksums. */
    if (skb->gso_size && needs_csum(vtep))
        return XV_KERNEL_PATH;
    tx->no_nexthop = !has_path;
    if (!has_path || (sizes.l3_size > XV_MTU_SAFE && sizes.l3_size > tx->path.proven_size))
        return XV_RESOLVE; /* leave_to_kernel() counts it: a port's frame comes here twice */
    reason = tc_encap(skb, vtep, remote, &in, tx);
    if (reason == XV_CONTINUE) {
        remote_count_tx(remote, sizes.packets, sizes.bytes);
    }
    return reason;
}

/* Sends to the remote of the entry. Returns as send_to(), or XV_FLOODED if the entry has several.
 */
XV_STEP int send(struct __sk_buff *skb, const struct xv_vtep *vtep, struct xv_fdb *entry,
                 struct tx_ctx *tx)
{
    struct xv_remote *remote;

    if (!vtep || !entry || !tx)
        return XV_REWRITE_FAILED;
    touch_tick(&entry->used, tx->now);
    remote = fdb_remote(entry);
    if (!remote)
        return XV_RESOLVE;
    if (entry->several > 1 || addr_is_multicast(&remote->addr)) {
        /* The kernel's device replicates the frame: its entry has the same VTEPs. */
        count_tx(vtep->slot, skb_packets(skb) * entry->several, (__u64)skb->len * entry->several);
        return XV_FLOODED;
    }
    return send_to(skb, vtep, remote, tx);
}

enum leave_flag {
    /* The FDB has no entry for the MAC: the kernel's device may have one, and send elsewhere. */
    XV_LEAVE_ANY_VTEP = 1 << 0,
    /* The frame is not counted yet: count it as sent. */
    XV_LEAVE_COUNT_TX = 1 << 1,
};

/*
 * Prepares a frame for the VTEP's device, which has the same entry. skb->hash makes it use the
 * flow's own source port (udp_flow_src_port()). The mark makes tc_underlay_egress check that it
 * sends to `remote`. Without an entry here the kernel's device may still have one: it removes
 * expired entries only every ten seconds, and other programs may write into its table.
 */
XV_STEP int leave_to_kernel(struct __sk_buff *skb, const struct xv_vtep *vtep,
                            const struct xv_remote *remote, __u32 flags)
{
    struct inner in = {};
    struct tx_sizes sizes;
    __u32 hash, mark;

    if (!vtep || parse_frame(skb, &in))
        return 0;
    if (flags & XV_LEAVE_COUNT_TX) {
        sizes = tx_sizes_of(skb, vtep, in.headers);
        if (remote)
            remote_count_tx(remote, sizes.packets, sizes.bytes);
        else
            count_tx(vtep->slot, sizes.packets, sizes.bytes);
    }
    hash = flow_hash(&in);
    bpf_set_hash(skb, hash ^ hash << 16);
    if (flags & XV_LEAVE_ANY_VTEP || !remote)
        mark = XV_MARK_EXPECT | XV_MARK_EXPECT_ANY |
               (vtep->underlay_count == 1 && !(vtep->flags & XV_VTEP_ROUTED) ? XV_MARK_EXPECT_PORT
                                                                             : 0);
    else
        mark = expect_mark(&remote->addr, remote->vni, remote->port) |
               (nexthop_oif(vtep, remote) ? XV_MARK_EXPECT_PORT : 0);
    if (remote && (remote->vni != vtep->vni || remote->port != vtep->dstport))
        mark |= XV_MARK_EXPECT_OTHER_VNI;
    skb->tc_index = mark;
    return 0;
}

/*
 * Counts a frame that is left to the kernel's device, which uses this entry; tc_underlay_egress
 * resets the count. If several frames in a row do not come out there, the kernel's device does not
 * have the entry (its table was flushed): the entry is removed here too, and the MAC learned again.
 */
XV_STEP int count_unanswered(const struct xv_vtep *vtep, struct xv_fdb *entry,
                             const struct ethhdr *eth)
{
    struct xv_fdb_key key;

    if (!vtep || !entry || !eth || entry->flags & XV_FDB_NOAGE)
        return 0;
    if ((entry->flags & XV_FDB_UNANSWERED_MAX) != XV_FDB_UNANSWERED_MAX) {
        entry->flags += XV_FDB_UNANSWERED;
        return 0;
    }
    fdb_key(&key, vtep, eth->h_dest);
    fdb_remove(vtep, &key);
    return 0;
}

/* Answers a frame that is larger than the path by an ICMP error, if one may be sent. */
XV_STEP int send_too_big(struct __sk_buff *skb, struct tx_ctx *tx)
{
    struct inner in = {};

    if (!tx || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (skb->vlan_present) /* the kernel's device has the tag in the packet, and sends no error */
        return XV_OVER_MTU;
    switch (too_big(skb, &in, tx->inner_mtu)) {
    case ICMP_ERROR_MADE:
        return answer(skb, tx, XV_PKT_TOO_BIG);
    case ICMP_ERROR_NONE:
        return XV_OVER_MTU;
    default:
        return XV_REWRITE_FAILED;
    }
}

/*
 * Delivers the frame to another VTEP of this host without the tunnel, as the kernel's
 * vxlan_encap_bypass(). Returns XV_CONTINUE with tx->action set, or a reason.
 */
XV_STEP int local_bypass(struct __sk_buff *skb, const struct xv_vtep *vtep,
                         const struct xv_fdb *entry, struct tx_ctx *tx)
{
    __u32 packets = skb_packets(skb);
    __u64 bytes = skb->len;
    struct xv_remote *remote, *sender;
    struct xv_vtep *target;
    struct place back = {};
    int reason;

    if (!vtep || !entry || !tx)
        return XV_REWRITE_FAILED;
    back.addr = vtep->local;
    remote = fdb_remote(entry);
    target = remote ? vtep_by_vni(remote->vni, remote->port) : NULL;
    if (!target)
        return XV_NO_TX_TARGET;
    if (target->slot == vtep->slot)
        return XV_HAIRPIN;
    sender = remote_of_sender(target, &back.addr);
    reason = check_sender(target, sender, tx->now);
    if (reason == XV_CONTINUE)
        reason = check_source_mac(target, tx->eth.h_source);
    if (reason != XV_CONTINUE)
        return reason;
    if (target->flags & XV_VTEP_LEARNING) {
        reason = fdb_learn(target, &tx->eth, &back, 0, tx->now);
        if (reason != XV_CONTINUE)
            return reason;
    }
    remote_count_tx(remote, packets, bytes);
    tx->action =
        deliver(skb, target, sender, tx->eth.h_dest, tx->now, XV_PROTO_VALID, XV_HOOK_EGRESS);
    return XV_CONTINUE;
}

/*
 * Sets tx->sum, for the outer UDP checksum. Not for a GSO packet: segmentation would have to write
 * the checksums, so send_to() leaves it to the kernel.
 */
XV_STEP int sum_payload(struct __sk_buff *skb, struct tx_ctx *tx)
{
    struct inner in = {};

    if (skb->gso_size)
        return XV_CONTINUE;
    if (!tx || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    /* With a tag in the metadata, pop_vlans() will take the tags in the packet off, too. */
    return skb_payload_sum(skb, &in, skb->vlan_present ? in.l3_offset : ETH_HLEN, &tx->sum);
}

/* Finds the path of the frame to the entry's remote. Returns whether there is one. */
XV_STEP int renew_path(struct __sk_buff *skb, const struct xv_vtep *vtep,
                       const struct xv_fdb *entry, struct xv_path *path)
{
    struct xv_remote *remote;
    struct inner in = {};

    if (!vtep || !entry || !path || parse_frame(skb, &in))
        return 0;
    remote = fdb_remote(entry);
    return remote && path_renew(skb, vtep, remote, path, outer_tos(vtep, &in));
}

/*
 * Sends by the entry; NULL is a miss. Returns XV_CONTINUE or XV_PKT_TOO_BIG with tx->action set,
 * XV_RESOLVE, or another reason.
 */
static __always_inline int send_by_entry(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                         struct xv_fdb *entry, struct tx_ctx *tx)
{
    int reason;

    if (!entry) {
        l2miss(skb, vtep, tx->eth.h_dest, tx->now);
        return XV_NO_TX_TARGET;
    }
    /* A flood goes to the kernel's device anyhow, and send() must say that it is one. */
    reason = needs_csum(vtep) && entry->several <= 1 ? sum_payload(skb, tx) : XV_CONTINUE;
    if (reason == XV_CONTINUE)
        reason = send(skb, vtep, entry, tx);
    if (reason == XV_RENEW_PATH) { /* rare, and not within send(), for want of stack */
        tx->path_state = renew_path(skb, vtep, entry, &tx->path) ? XV_PATH_FOUND : XV_PATH_NONE;
        reason = send(skb, vtep, entry, tx);
    }
    if (reason == XV_LOCAL_VTEP)
        return local_bypass(skb, vtep, entry, tx);
    if (reason == XV_OVER_MTU && !is_of_another_place(vtep, tx))
        return send_too_big(skb, tx);
    return reason;
}

#endif
