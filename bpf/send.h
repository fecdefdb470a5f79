/* SPDX-License-Identifier: GPL-2.0-only */
/* From the overlay side out: proxy, look-up, short circuit, and then a VTEP, here or elsewhere. */
#ifndef XVTEP_BPF_SEND_H
#define XVTEP_BPF_SEND_H

#include "bpf/deliver.h"
#include "bpf/neigh.h"
#include "bpf/pmtu.h"

/* No verdicts: */
#define XV_HERE (-1) /* the destination is a VTEP of this host */
#define XV_ASK                                                                                     \
    (-2) /* no next hop is known, for a packet of this size: the kernel's device sends             \
          */

/* A frame on its way out, besides the skb. */
struct job {
    __u64 now;
    /* Where it came from, for answers to its sender: the flags are bpf_redirect()'s. */
    __u32 ifindex, redirect;
    __u32 vid;           /* the tag that was taken off, or 0 */
    __u32 room;          /* what an inner L3 packet may have, with XV_OVER_MTU */
    int short_circuited; /* rsc has rewritten its addresses */
    int no_hop;          /* with XV_ASK: no next hop is known at all */
    int action;          /* with XV_CONTINUE, XV_PROXIED and XV_PKT_TOO_BIG */
    struct ethhdr eth;
    __u64 sum; /* of the frame behind its L2 header, for a UDP checksum */
};

/* Sends what has become an answer back. */
static __always_inline int answer(struct __sk_buff *skb, struct job *job, int verdict)
{
    if (job->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), job->vid))
        return XV_REWRITE_FAILED;
    skb->tc_index = XV_DELIVERED;
    job->action = bpf_redirect(job->ifindex, job->redirect);
    return verdict;
}

/* What sending is about, besides the skb. */
struct sent {
    __u32 packets; /* of a GSO packet: its segments */
    __u32 segment; /* size of an outer L3 packet */
    __u64 bytes;   /* of the inner frames */
};

/* `headers`: of the inner frame. A tag in skb metadata counts as part of the frame. */
static __always_inline struct sent sent_of(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                           __u32 headers)
{
    __u32 overhead = (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) - ETH_HLEN;
    __u32 tag = skb->vlan_present ? XV_TAG_SIZE : 0;
    struct sent sent = {.packets = tc_segments(skb, headers), .bytes = skb->len + tag};

    sent.segment = (skb->gso_size ? skb->gso_size + headers : skb->len) + tag + overhead;
    sent.bytes += (__u64)(sent.packets - 1) * (headers + tag);
    return sent;
}

/*
 * Encapsulates and redirects to the next hop. Returns XV_CONTINUE with the job's action set, or a
 * verdict: the frame is then as it was.
 */
static __always_inline int tc_encap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                    const struct xv_remote *dest, const struct inner *in,
                                    const struct xv_nexthop *hop, struct job *job)
{
    struct headers headers = {};
    struct l2 l2;
    int verdict;

    verdict = tc_take_l2(skb, &job->eth, &l2);
    if (verdict != XV_CONTINUE)
        return verdict;
    if (vtep->flags & XV_VTEP_V6)
        verdict = tc_write_v6(skb, &headers, vtep, dest, in, &l2, hop, job->sum);
    else
        verdict = tc_write_v4(skb, &headers, vtep, dest, in, &l2, hop, job->sum);
    if (verdict == XV_CONTINUE)
        job->action = bpf_redirect(hop->ifindex, 0);
    else if (!verdict_drops(verdict) && tc_put_tags_back(skb, &l2))
        return XV_REWRITE_FAILED;
    return verdict;
}

/* To one VTEP: XV_CONTINUE with the job's action set, XV_ASK, XV_HERE, or a verdict. */
static __always_inline int send_to(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   const struct xv_remote *dest, struct job *job)
{
    struct xv_addr to = dest->addr;
    struct inner in = {};
    struct xv_nexthop *hop;
    struct sent sent;
    int verdict;
    __u32 mtu;

    if (!addr_is_set(&to))
        return XV_ASK;
    if (parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (in.cut) /* the kernel's device drops it: skb_vlan_inet_prepare() */
        return XV_KERNEL_PATH;
    if (vtep->flags & XV_VTEP_GBP)
        in.mark = skb->mark;
    hop = hop_find(vtep, dest, skb->mark, outer_tos(vtep, &in), job->now);
    if (hop && !is_alive(hop->ifindex))
        hop = NULL;
    if (!hop && bpf_map_lookup_elem(&local_addrs, &to))
        return XV_HERE;
    sent = sent_of(skb, vtep, in.headers);
    if (skb->len + XV_OUTER_V6 + XV_TAG_SIZE > 0xffff) /* more than an IP header can say */
        return skb->gso_size ? XV_KERNEL_PATH : XV_OVERSIZE;
    mtu = exceeded_mtu(skb, hop ? hop->ifindex : hop_oif(vtep, dest),
                       hop ? hop->mtu : pmtu_of(&to, job->now), sent.segment);
    if (mtu) {
        job->room = mtu - (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) -
                    (skb->vlan_present ? XV_TAG_SIZE : 0);
        return XV_OVER_MTU;
    }
    /* adjust_room cannot ask segmentation for outer checksums. */
    if (skb->gso_size && wants_csum(vtep))
        return XV_KERNEL_PATH;
    job->no_hop = !hop;
    if (!hop || (sent.segment > XV_MTU_SURE && sent.segment > hop->proven))
        return XV_ASK; /* leave_to_kernel() counts it: a port's frame comes here twice */
    verdict = tc_encap(skb, vtep, dest, &in, hop, job);
    if (verdict == XV_CONTINUE)
        count_tx(vtep->slot, sent.packets, sent.bytes);
    return verdict;
}

/* To the entry's VTEP, or all of its VTEPs. As send_to(), or XV_FLOODED. */
XV_STEP int send(struct __sk_buff *skb, const struct xv_vtep *vtep, struct xv_fdb *entry,
                 struct job *job)
{
    if (!vtep || !entry || !job)
        return XV_REWRITE_FAILED;
    fdb_touch(&entry->used, job->now);
    if (entry->remotes > 1 || addr_is_multicast(&entry->dest.addr)) {
        /* The kernel's device replicates: its list of defaults is kept in step. */
        count_tx(vtep->slot, tc_packets(skb) * entry->remotes, (__u64)skb->len * entry->remotes);
        return XV_FLOODED;
    }
    return send_to(skb, vtep, &entry->dest, job);
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
    struct sent sent;
    __u32 pick;

    if (!vtep || !dest || parse_frame(skb, &in))
        return 0;
    if (asks) {
        sent = sent_of(skb, vtep, in.headers);
        count_tx(vtep->slot, sent.packets, sent.bytes);
    }
    pick = flow_pick(&in);
    bpf_set_hash(skb, pick ^ pick << 16);
    skb->tc_index =
        (unknown ? XV_EXPECT | XV_EXPECT_ANY : expect_mark(&dest->addr, dest->vni, dest->port)) |
        (hop_oif(vtep, dest) ? XV_EXPECT_VIA : 0);
    return 0;
}

/*
 * The kernel's device is asked by this entry. Where nothing of several such frames came out, it has
 * none (somebody flushed its table): neither have we then, and the MAC is learned anew.
 */
XV_STEP int note_asked(const struct xv_vtep *vtep, struct xv_fdb *entry, const struct ethhdr *eth)
{
    struct xv_fdb_key key;

    if (!vtep || !entry || !eth || entry->flags & XV_FDB_KEPT)
        return 0;
    if ((entry->flags & XV_FDB_ASKED_MOST) != XV_FDB_ASKED_MOST) {
        entry->flags += XV_FDB_ASKED;
        return 0;
    }
    fdb_key(&key, vtep, eth->h_dest);
    fdb_remove(vtep, &key);
    return 0;
}

/* What is larger than the path goes back to its sender as an ICMP error, where that may be. */
XV_STEP int tell_sender(struct __sk_buff *skb, struct job *job)
{
    struct inner in = {};
    int told;

    if (!job || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    if (skb->vlan_present) /* the kernel's device has the tag in the packet: it tells no one */
        return XV_OVER_MTU;
    told = too_big(skb, &in, job->room);
    if (told)
        return told < 0 ? XV_REWRITE_FAILED : answer(skb, job, XV_PKT_TOO_BIG);
    return XV_OVER_MTU;
}

/* proxy(), and its answer on its way back. */
static __always_inline int proxy_stage(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                       struct job *job)
{
    struct xv_addr target = {};
    int verdict;

    if (skb->vlan_present) /* the kernel's device has tags in the packet: no ARP to it */
        return XV_CONTINUE;
    verdict = proxy(skb, vtep, job->eth.h_proto, job->now, &target);
    if (verdict == XV_PROXY_MISS) {
        l3miss(skb, vtep, &target, job->now);
        return XV_PROXY_SILENT;
    }
    return verdict == XV_PROXIED ? answer(skb, job, verdict) : verdict;
}

/*
 * To a VTEP of this host: straight in, as vxlan_encap_bypass() does it. XV_CONTINUE with the
 * job's action set, or a verdict.
 */
XV_STEP int local_bypass(struct __sk_buff *skb, const struct xv_vtep *vtep,
                         const struct xv_fdb *entry, struct job *job)
{
    __u32 packets = tc_packets(skb);
    __u64 bytes = skb->len;
    struct xv_vtep *target;
    struct xv_remote back;
    int verdict;

    if (!vtep || !entry || !job)
        return XV_REWRITE_FAILED;
    back = (struct xv_remote){.addr = vtep->local, .vni = vtep->vni, .port = vtep->dstport};
    target = vtep_by_vni(entry->dest.vni, entry->dest.port);
    if (!target)
        return XV_NO_TX_TARGET;
    if (target->slot == vtep->slot)
        return XV_HAIRPIN;
    verdict = check_source(target, job->eth.h_source);
    if (verdict == XV_CONTINUE && target->flags & XV_VTEP_LEARNING)
        verdict = fdb_learn(target, job->eth.h_source, &back, 0, job->now);
    if (verdict != XV_CONTINUE)
        return verdict;
    count_tx(vtep->slot, packets, bytes);
    job->action = deliver(skb, target, job->eth.h_dest, job->now, 0, 0);
    return XV_CONTINUE;
}

/* Segmentation would have to write the checksums of a GSO packet: send() leaves it to the kernel.
 */
XV_STEP int sum_stage(struct __sk_buff *skb, struct job *job)
{
    struct inner in = {};

    if (skb->gso_size)
        return XV_CONTINUE;
    if (!job || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    /* Taking a tag out of the metadata takes the next one out of the packet: tc_take_l2(). */
    return tc_payload_sum(skb, &in, skb->vlan_present ? in.l3_offset : ETH_HLEN, &job->sum);
}

/*
 * Out by the entry (not by NULL, which is a miss): XV_CONTINUE, XV_PKT_TOO_BIG with the job's
 * action set, XV_ASK, or another verdict. Each step's stack is free again before the next one's.
 */
static __always_inline int send_stage(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                      struct xv_fdb *entry, struct job *job)
{
    int verdict;

    if (!entry) {
        l2miss(skb, vtep, job->eth.h_dest, job->now);
        return XV_NO_TX_TARGET;
    }
    verdict = wants_csum(vtep) ? sum_stage(skb, job) : XV_CONTINUE;
    if (verdict == XV_CONTINUE)
        verdict = send(skb, vtep, entry, job);
    if (verdict == XV_HERE)
        return local_bypass(skb, vtep, entry, job);
    if (verdict == XV_OVER_MTU)
        return tell_sender(skb, job);
    return verdict;
}

/* The entry a frame goes by. rsc may write another destination into it. */
static __always_inline struct xv_fdb *look_up(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                              struct job *job)
{
    const __u8 *mac = job->eth.h_dest;
    struct xv_fdb *entry;

    if (mac_is_zero(mac))
        return NULL;
    entry = fdb_find(vtep, mac, job->now);
    if (!entry || !(entry->flags & XV_FDB_ROUTER) || !(vtep->flags & XV_VTEP_RSC) ||
        mac_is_multicast(mac) || skb->vlan_present)
        return entry;
    if (short_circuit(skb, vtep, job->now)) {
        bpf_skb_load_bytes(skb, 0, &job->eth, sizeof(job->eth));
        job->short_circuited = 1;
        return fdb_find(vtep, mac, job->now);
    }
    return entry;
}

#endif
