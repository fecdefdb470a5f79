/* SPDX-License-Identifier: GPL-2.0-only */
/* From the overlay side out: proxy, look-up, short circuit, and then a VTEP, here or elsewhere. */
#ifndef XVTEP_BPF_SEND_H
#define XVTEP_BPF_SEND_H

#include "bpf/deliver.h"
#include "bpf/neigh.h"
#include "bpf/pmtu.h"

#define XV_HERE (-1) /* no verdict: the destination is a VTEP of this host */

/* A frame on its way out, besides the skb. */
struct job {
    __u64 now;
    /* Where it came from, for answers to its sender: the flags are bpf_redirect()'s. */
    __u32 ifindex, redirect;
    __u32 vid;  /* the tag that was taken off, or 0 */
    __u32 room; /* what an inner L3 packet may have, with XV_OVER_MTU */
    int short_circuited; /* rsc has rewritten its addresses */
    int action; /* with XV_CONTINUE, XV_PROXIED and XV_TOO_BIG */
    struct ethhdr eth;
    __u64 sum; /* of the frame behind its L2 header, for a UDP checksum */
};

/* Sends what has become an answer back. */
static __always_inline int answer(struct __sk_buff *skb, struct job *job, int verdict)
{
    if (job->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), job->vid))
        return XV_HELPER;
    skb->tc_index = XV_DELIVERED;
    job->action = bpf_redirect(job->ifindex, job->redirect);
    return verdict;
}

/* Several underlay ports: the route decides (its answer holds only where lo may forward). */
XV_STEP int tc_route(struct __sk_buff *skb, const struct xv_vtep *vtep, const struct xv_dest *dest)
{
    struct bpf_fib_lookup fib = {.ifindex = 1 /* lo: as a local packet */, .l4_protocol = IPPROTO_UDP};
    long found;

    if (!vtep || !dest)
        return 0;
    if (vtep->flags & XV_VTEP_V6) {
        fib.family = 10;
        __builtin_memcpy(fib.ipv6_src, &vtep->local, 16);
        __builtin_memcpy(fib.ipv6_dst, &dest->addr, 16);
    } else {
        fib.family = 2;
        fib.ipv4_src = vtep->local.word[3];
        fib.ipv4_dst = dest->addr.word[3];
    }
    found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
    if (found == BPF_FIB_LKUP_RET_SUCCESS || found == BPF_FIB_LKUP_RET_NO_NEIGH)
        return fib.ifindex;
    return vtep->underlays[0];
}

static __always_inline __u32 encap_oif(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                       const struct xv_dest *dest)
{
    return vtep->underlay_count > 1 && !dest->ifindex ? tc_route(skb, vtep, dest)
                                                      : hop_oif(vtep, dest);
}

/*
 * Encapsulates and sends to one VTEP. Returns XV_CONTINUE with the job's action set, or a
 * verdict: the frame is then as it was, but for a tag that has been put back.
 */
static __always_inline int tc_encap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                    const struct xv_dest *dest, const struct xv_hop *hop,
                                    struct job *job)
{
    __u32 overhead = (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) - ETH_HLEN;
    __u32 packets, oif, segment, mtu;
    struct headers headers = {};
    struct inner in = {};
    struct l2 l2;
    __u64 bytes;
    int verdict;

    verdict = tc_take_l2(skb, &job->eth, &l2);
    if (verdict != XV_CONTINUE)
        return verdict;
    if (parse_frame(skb, &in))
        return XV_HELPER;
    if (vtep->flags & XV_VTEP_GBP)
        in.mark = skb->mark;

    segment = skb->len + l2.size - ETH_HLEN + overhead;
    bytes = skb->len + l2.size - ETH_HLEN;
    if (segment > 0xffff) {
        verdict = XV_OVERSIZE;
        goto back;
    }
    packets = tc_segments(skb, in.headers);
    if (skb->gso_size) {
        segment = skb->gso_size + in.headers + l2.size - ETH_HLEN + overhead;
        bytes += (__u64)(packets - 1) * (in.headers + l2.size - ETH_HLEN);
        /* adjust_room cannot ask segmentation for outer checksums. */
        if (wants_csum(vtep)) {
            verdict = XV_KERNEL_PATH;
            goto back;
        }
    }

    oif = hop ? hop->ifindex : encap_oif(skb, vtep, dest);
    mtu = exceeded_mtu(skb, oif, hop ? hop->mtu : pmtu_of(&dest->addr, job->now), segment);
    if (mtu) {
        job->room = mtu - overhead - l2.size;
        verdict = XV_OVER_MTU;
        goto back;
    }

    if (vtep->flags & XV_VTEP_V6)
        verdict = tc_write_v6(skb, &headers, vtep, dest, &in, &l2, hop, job->sum);
    else
        verdict = tc_write_v4(skb, &headers, vtep, dest, &in, &l2, hop, job->sum);
    if (verdict != XV_CONTINUE)
        goto back;

    if (hop) {
        job->action = bpf_redirect(oif, 0);
    } else {
        if (l2.l3_proto != bpf_htons(vtep->flags & XV_VTEP_V6 ? ETH_P_IPV6 : ETH_P_IP) &&
            tc_refresh_protocol(skb))
            return XV_HELPER;
        skb->tc_index =
            vtep->underlay_count > 1 && !dest->ifindex ? XV_ASK_ROUTE : XV_ASK;
        job->action = bpf_redirect_neigh(oif, NULL, 0, 0);
    }
    count_tx(vtep->slot, packets, bytes);
    return XV_CONTINUE;

back:
    return !verdict_drops(verdict) && tc_put_tags_back(skb, &l2) ? XV_HELPER : verdict;
}

/* To the entry's VTEP: XV_CONTINUE with the job's action set, a verdict, or XV_HERE. */
XV_STEP int send(struct __sk_buff *skb, const struct xv_vtep *vtep, struct xv_fdb *entry,
                 struct job *job)
{
    struct xv_addr to;
    struct xv_hop *hop;

    if (!vtep || !entry || !job)
        return XV_HELPER;
    fdb_touch(&entry->used, job->now);
    if (entry->dests > 1 || addr_is_multicast(&entry->dest.addr)) {
        /* The kernel's device replicates: its list of defaults is kept in step. */
        count_tx(vtep->slot, tc_packets(skb) * entry->dests, (__u64)skb->len * entry->dests);
        return XV_FLOODED;
    }
    hop = hop_find(&entry->dest.addr,
                   vtep->underlay_count > 1 ? entry->dest.ifindex : hop_oif(vtep, &entry->dest),
                   job->now);
    to = entry->dest.addr;
    if (!hop && bpf_map_lookup_elem(&locals, &to))
        return XV_HERE;
    return tc_encap(skb, vtep, &entry->dest, hop, job);
}

/* What is larger than the path goes back to its sender as an ICMP error, where that may be. */
XV_STEP int tell_sender(struct __sk_buff *skb, struct job *job)
{
    struct inner in = {};
    int told;

    if (!job || parse_frame(skb, &in))
        return XV_HELPER;
    told = too_big(skb, &in, job->room);
    if (told)
        return told < 0 ? XV_HELPER : answer(skb, job, XV_TOO_BIG);
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
    struct xv_dest back;
    int verdict;

    if (!vtep || !entry || !job)
        return XV_HELPER;
    back = (struct xv_dest){.addr = vtep->local, .vni = vtep->vni, .port = vtep->dstport};
    target = vtep_by_vni(entry->dest.vni, entry->dest.port);
    if (!target)
        return XV_NO_DESTINATION;
    if (target->slot == vtep->slot)
        return XV_HAIRPIN;
    verdict = admit(target, &back, job->eth.h_source, job->now);
    if (verdict != XV_CONTINUE)
        return verdict;
    count_tx(vtep->slot, packets, bytes);
    job->action = deliver(skb, target, job->eth.h_dest, job->now, 0, 0);
    return XV_CONTINUE;
}

/*
 * Whether the kernel's device does not know the destination: it has the default entry and, with
 * IPv6 and checksums, what was said by hand.
 */
XV_STEP int is_alone(const struct xv_vtep *vtep, const struct xv_fdb *entry)
{
    if (!vtep || !entry || fdb_default(vtep))
        return 0;
    return !(entry->flags & XV_FDB_USER && vtep->flags & XV_VTEP_V6 && wants_csum(vtep));
}

/* Segmentation would have to write the checksums of a GSO packet: send() leaves it to the kernel. */
XV_STEP int sum_stage(struct __sk_buff *skb, const struct xv_vtep *vtep,
                      const struct xv_fdb *entry, struct job *job)
{
    struct inner in = {};

    if (skb->gso_size)
        return XV_CONTINUE;
    if (!job || parse_frame(skb, &in))
        return XV_HELPER;
    /* Taking a tag out of the metadata takes the next one out of the packet: tc_take_l2(). */
    return tc_payload_sum(skb, &in, skb->vlan_present ? in.l3_offset : ETH_HLEN,
                          is_alone(vtep, entry), &job->sum);
}

/*
 * Out by the entry, else by the default: XV_CONTINUE, XV_TOO_BIG with the job's action set, or
 * another verdict. Each step's stack is free again before the next one's.
 */
static __always_inline int send_stage(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                      struct xv_fdb *entry, struct job *job)
{
    int verdict;

    if (!entry)
        entry = fdb_default(vtep);
    if (!entry) {
        l2miss(skb, vtep, job->eth.h_dest, job->now);
        return XV_NO_DESTINATION;
    }
    verdict = wants_csum(vtep) ? sum_stage(skb, vtep, entry, job) : XV_CONTINUE;
    if (verdict == XV_CONTINUE)
        verdict = send(skb, vtep, entry, job);
    if (verdict == XV_HERE)
        return local_bypass(skb, vtep, entry, job);
    if (verdict == XV_OVER_MTU)
        verdict = tell_sender(skb, job);
    if ((verdict == XV_OVER_MTU || verdict == XV_KERNEL_PATH) && is_alone(vtep, entry))
        return XV_TOO_BIG_SILENT;
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
