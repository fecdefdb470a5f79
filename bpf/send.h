/* SPDX-License-Identifier: GPL-2.0-only */
/* From the overlay side out: proxy, look-up, short circuit, and then a VTEP, here or elsewhere. */
#ifndef XVTEP_BPF_SEND_H
#define XVTEP_BPF_SEND_H

#include "bpf/deliver.h"
#include "bpf/neigh.h"
#include "bpf/pmtu.h"

/* No reasons: */
#define XV_LOCAL_VTEP (-1) /* the destination is a VTEP of this host */
#define XV_RESOLVE                                                                                 \
    (-2) /* no next nexthop is known, for a packet of this size: the kernel's device sends         \
          */

/* A frame on its way out, besides the skb. */
struct tx_ctx {
    __u64 now;
    /* Where it came from, for answers to its sender: the flags are bpf_redirect()'s. */
    __u32 ifindex, redirect;
    __u32 vid;           /* the tag that was taken off, or 0 */
    __u32 inner_mtu;     /* what an inner L3 packet may have, with XV_OVER_MTU */
    int short_circuited; /* rsc has rewritten its addresses */
    int no_nexthop;      /* with XV_RESOLVE: no next nexthop is known at all */
    int action;          /* with XV_CONTINUE, XV_PROXIED and XV_PKT_TOO_BIG */
    struct ethhdr eth;
    __u64 sum; /* of the frame behind its L2 header, for a UDP checksum */
};

/* Sends what has become an answer back. */
static __always_inline int answer(struct __sk_buff *skb, struct tx_ctx *tx, int reason)
{
    if (tx->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tx->vid))
        return XV_REWRITE_FAILED;
    skb->tc_index = XV_MARK_DELIVERED;
    tx->action = bpf_redirect(tx->ifindex, tx->redirect);
    return reason;
}

/* What sending is about, besides the skb. */
struct tx_sizes {
    __u32 packets; /* of a GSO packet: its segments */
    __u32 segment; /* size of an outer L3 packet */
    __u64 bytes;   /* of the inner frames */
};

/* `headers`: of the inner frame. A tag in skb metadata counts as part of the frame. */
static __always_inline struct tx_sizes tx_sizes_of(struct __sk_buff *skb,
                                                   const struct xv_vtep *vtep, __u32 headers)
{
    __u32 overhead = (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) - ETH_HLEN;
    __u32 tag = skb->vlan_present ? XV_TAG_SIZE : 0;
    struct tx_sizes sent = {.packets = tc_segments(skb, headers), .bytes = skb->len + tag};

    sent.segment = (skb->gso_size ? skb->gso_size + headers : skb->len) + tag + overhead;
    sent.bytes += (__u64)(sent.packets - 1) * (headers + tag);
    return sent;
}

/*
 * Encapsulates and redirects to the next nexthop. Returns XV_CONTINUE with the tx's action set, or
 * a reason: the frame is then as it was.
 */
static __always_inline int tc_encap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                    const struct xv_remote *dest, const struct inner *in,
                                    const struct xv_nexthop *nexthop, struct tx_ctx *tx)
{
    struct headers headers = {};
    struct l2 l2;
    int reason;

    reason = pop_vlans(skb, &tx->eth, &l2);
    if (reason != XV_CONTINUE)
        return reason;
    if (vtep->flags & XV_VTEP_V6)
        reason = tc_write_v6(skb, &headers, vtep, dest, in, &l2, nexthop, tx->sum);
    else
        reason = tc_write_v4(skb, &headers, vtep, dest, in, &l2, nexthop, tx->sum);
    if (reason == XV_CONTINUE)
        tx->action = bpf_redirect(nexthop->ifindex, 0);
    else if (!reason_drops(reason) && push_vlans(skb, &l2))
        return XV_REWRITE_FAILED;
    return reason;
}

/* To one VTEP: XV_CONTINUE with the tx's action set, XV_RESOLVE, XV_LOCAL_VTEP, or a reason. */
static __always_inline int send_to(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   const struct xv_remote *dest, struct tx_ctx *tx)
{
    struct xv_addr to = dest->addr;
    struct inner in = {};
    struct xv_nexthop *nexthop;
    struct tx_sizes sent;
    int reason;
    __u32 mtu;

    if (!addr_is_set(&to))
        return XV_RESOLVE;
    if (parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (in.cut) /* the kernel's device drops it: skb_vlan_inet_prepare() */
        return XV_KERNEL_PATH;
    if (vtep->flags & XV_VTEP_GBP)
        in.mark = skb->mark;
    nexthop = nexthop_find(vtep, dest, skb->mark, outer_tos(vtep, &in), tx->now);
    if (nexthop && !is_alive(nexthop->ifindex))
        nexthop = NULL;
    if (!nexthop && bpf_map_lookup_elem(&local_addrs, &to))
        return XV_LOCAL_VTEP;
    sent = tx_sizes_of(skb, vtep, in.headers);
    if (skb->len + XV_OUTER_V6 + XV_TAG_SIZE > 0xffff) /* more than an IP header can say */
        return skb->gso_size ? XV_KERNEL_PATH : XV_OVERSIZE;
    mtu = exceeded_mtu(skb, nexthop ? nexthop->ifindex : nexthop_oif(vtep, dest),
                       nexthop ? nexthop->mtu : pmtu_of(&to, tx->now), sent.segment);
    if (mtu) {
        tx->inner_mtu = mtu - (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) -
                        (skb->vlan_present ? XV_TAG_SIZE : 0);
        return XV_OVER_MTU;
    }
    /* adjust_room cannot ask segmentation for outer checksums. */
    if (skb->gso_size && needs_csum(vtep))
        return XV_KERNEL_PATH;
    tx->no_nexthop = !nexthop;
    if (!nexthop || (sent.segment > XV_MTU_SAFE && sent.segment > nexthop->proven_size))
        return XV_RESOLVE; /* leave_to_kernel() counts it: a port's frame comes here twice */
    reason = tc_encap(skb, vtep, dest, &in, nexthop, tx);
    if (reason == XV_CONTINUE)
        count_tx(vtep->slot, sent.packets, sent.bytes);
    return reason;
}

/* To the entry's VTEP, or all of its VTEPs. As send_to(), or XV_FLOODED. */
XV_STEP int send(struct __sk_buff *skb, const struct xv_vtep *vtep, struct xv_fdb *entry,
                 struct tx_ctx *tx)
{
    if (!vtep || !entry || !tx)
        return XV_REWRITE_FAILED;
    fdb_touch(&entry->used, tx->now);
    if (entry->remotes > 1 || addr_is_multicast(&entry->dest.addr)) {
        /* The kernel's device replicates: its list of defaults is kept in step. */
        count_tx(vtep->slot, tc_packets(skb) * entry->remotes, (__u64)skb->len * entry->remotes);
        return XV_FLOODED;
    }
    return send_to(skb, vtep, &entry->dest, tx);
}

/*
 * The frame goes to the VTEP's own device, which has the entry too. It is to use the flow's own
 * source port (udp_flow_src_port() makes it of the hash), and to send to no other VTEP. Only for a
 * MAC without an entry (`unknown`) the kernel's device may have one: it looks for aged ones every
 * ten seconds, and others than us may write into its table. `asks`: it counts as encapsulated.
 */
XV_STEP int leave_to_kernel(struct __sk_buff *skb, const struct xv_vtep *vtep,
                            const struct xv_remote *dest, int unknown, int asks)
{
    struct inner in = {};
    struct tx_sizes sent;
    __u32 pick;

    if (!vtep || !dest || parse_frame(skb, &in))
        return 0;
    if (asks) {
        sent = tx_sizes_of(skb, vtep, in.headers);
        count_tx(vtep->slot, sent.packets, sent.bytes);
    }
    pick = flow_pick(&in);
    bpf_set_hash(skb, pick ^ pick << 16);
    skb->tc_index = (unknown ? XV_MARK_EXPECT | XV_MARK_EXPECT_ANY
                             : expect_mark(&dest->addr, dest->vni, dest->port)) |
                    (nexthop_oif(vtep, dest) ? XV_MARK_EXPECT_PORT : 0);
    return 0;
}

/*
 * The kernel's device is asked by this entry. Where nothing of several such frames came out, it has
 * none (somebody flushed its table): neither have we then, and the MAC is learned anew.
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

/* What is larger than the path goes back to its sender as an ICMP error, where that may be. */
XV_STEP int tell_sender(struct __sk_buff *skb, struct tx_ctx *tx)
{
    struct inner in = {};
    int told;

    if (!tx || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (skb->vlan_present) /* the kernel's device has the tag in the packet: it tells no one */
        return XV_OVER_MTU;
    told = too_big(skb, &in, tx->inner_mtu);
    if (told)
        return told < 0 ? XV_REWRITE_FAILED : answer(skb, tx, XV_PKT_TOO_BIG);
    return XV_OVER_MTU;
}

/* proxy(), and its answer on its way back. */
static __always_inline int proxy_reply(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                       struct tx_ctx *tx)
{
    struct xv_addr target = {};
    int reason;

    if (skb->vlan_present) /* the kernel's device has tags in the packet: no ARP to it */
        return XV_CONTINUE;
    reason = proxy(skb, vtep, tx->eth.h_proto, tx->now, &target);
    if (reason == XV_PROXY_MISS) {
        l3miss(skb, vtep, &target, tx->now);
        return XV_PROXY_SILENT;
    }
    return reason == XV_PROXIED ? answer(skb, tx, reason) : reason;
}

/*
 * To a VTEP of this host: straight in, as vxlan_encap_bypass() does it. XV_CONTINUE with the
 * tx's action set, or a reason.
 */
XV_STEP int local_bypass(struct __sk_buff *skb, const struct xv_vtep *vtep,
                         const struct xv_fdb *entry, struct tx_ctx *tx)
{
    __u32 packets = tc_packets(skb);
    __u64 bytes = skb->len;
    struct xv_vtep *target;
    struct xv_remote back;
    int reason;

    if (!vtep || !entry || !tx)
        return XV_REWRITE_FAILED;
    back = (struct xv_remote){.addr = vtep->local, .vni = vtep->vni, .port = vtep->dstport};
    target = vtep_by_vni(entry->dest.vni, entry->dest.port);
    if (!target)
        return XV_NO_TX_TARGET;
    if (target->slot == vtep->slot)
        return XV_HAIRPIN;
    reason = check_smac(target, tx->eth.h_source);
    if (reason == XV_CONTINUE && target->flags & XV_VTEP_LEARNING)
        reason = fdb_learn(target, tx->eth.h_source, &back, 0, tx->now);
    if (reason != XV_CONTINUE)
        return reason;
    count_tx(vtep->slot, packets, bytes);
    tx->action = deliver(skb, target, tx->eth.h_dest, tx->now, 0, 0);
    return XV_CONTINUE;
}

/* Segmentation would have to write the checksums of a GSO packet: send() leaves it to the kernel.
 */
XV_STEP int payload_sum(struct __sk_buff *skb, struct tx_ctx *tx)
{
    struct inner in = {};

    if (skb->gso_size)
        return XV_CONTINUE;
    if (!tx || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    /* Taking a tag out of the metadata takes the next one out of the packet: pop_vlans(). */
    return skb_payload_sum(skb, &in, skb->vlan_present ? in.l3_offset : ETH_HLEN, &tx->sum);
}

/*
 * Out by the entry (not by NULL, which is a miss): XV_CONTINUE, XV_PKT_TOO_BIG with the tx's
 * action set, XV_RESOLVE, or another reason. Each step's stack is free again before the next one's.
 */
static __always_inline int send_by_entry(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                         struct xv_fdb *entry, struct tx_ctx *tx)
{
    int reason;

    if (!entry) {
        l2miss(skb, vtep, tx->eth.h_dest, tx->now);
        return XV_NO_TX_TARGET;
    }
    reason = needs_csum(vtep) ? payload_sum(skb, tx) : XV_CONTINUE;
    if (reason == XV_CONTINUE)
        reason = send(skb, vtep, entry, tx);
    if (reason == XV_LOCAL_VTEP)
        return local_bypass(skb, vtep, entry, tx);
    if (reason == XV_OVER_MTU)
        return tell_sender(skb, tx);
    return reason;
}

/* The entry a frame goes by. rsc may write another destination into it. */
static __always_inline struct xv_fdb *find_entry(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                                 struct tx_ctx *tx)
{
    const __u8 *mac = tx->eth.h_dest;
    struct xv_fdb *entry;

    if (mac_is_zero(mac))
        return NULL;
    entry = fdb_find(vtep, mac, tx->now);
    if (!entry || !(entry->flags & XV_FDB_ROUTER) || !(vtep->flags & XV_VTEP_RSC) ||
        mac_is_multicast(mac) || skb->vlan_present)
        return entry;
    if (short_circuit(skb, vtep, tx->now)) {
        bpf_skb_load_bytes(skb, 0, &tx->eth, sizeof(tx->eth));
        tx->short_circuited = 1;
        return fdb_find(vtep, mac, tx->now);
    }
    return entry;
}

#endif
