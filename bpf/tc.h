/* SPDX-License-Identifier: GPL-2.0-only */
/* Rewriting and sending packets from TC: GSO packets stay whole. */
#ifndef XVTEP_BPF_TC_H
#define XVTEP_BPF_TC_H

#include <linux/pkt_cls.h>

#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/encap.h"
#include "bpf/sender.h"

#define XV_TAG_SIZE 4
#define XV_TAGS_MOST 2
#define XV_TAGGED_SIZE (ETH_HLEN + XV_TAGS_MOST * XV_TAG_SIZE)
#define XV_LINEAR 128         /* outer and inner headers, as far as we read them */
#define XV_PASS TC_ACT_UNSPEC /* also TCX_NEXT: others' programs come after us */
#define XV_PACKET_HOST 0      /* linux/if_packet.h */
#define XV_PACKET_OTHERHOST 3

/*
 * A frame's own L2 header. A tag in skb metadata is put back in its place; taking it off there
 * brings the next one, from the packet, into the metadata.
 */
struct l2 {
    __u8 bytes[XV_TAGGED_SIZE + 2]; /* with zeros behind, in whole words */
    __u8 size;
    __be16 l3_proto;
};

static __always_inline struct cursor tc_cursor(struct __sk_buff *skb)
{
    return (struct cursor){.at = (void *)(long)skb->data, .end = (void *)(long)skb->data_end};
}

static __always_inline struct cursor tc_linear(struct __sk_buff *skb, __u32 size)
{
    struct cursor c = tc_cursor(skb);

    if (c.at + size > c.end && skb->len > c.end - c.at) {
        bpf_skb_pull_data(skb, skb->len < size ? skb->len : size);
        c = tc_cursor(skb);
    }
    return c;
}

static __always_inline int tc_read_eth(struct __sk_buff *skb, struct ethhdr *eth)
{
    struct cursor c = tc_linear(skb, sizeof(*eth));
    struct ethhdr *at = take(&c, sizeof(*eth));

    if (!at)
        return 1;
    mac_copy(eth->h_dest, at->h_dest);
    mac_copy(eth->h_source, at->h_source);
    eth->h_proto = at->h_proto;
    return 0;
}

/* The inner headers of a frame whose tag is in skb metadata, if it has one. */
XV_STEP int parse_frame(struct __sk_buff *skb, struct inner *in)
{
    struct cursor c = tc_linear(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));

    if (!eth || !in)
        return XV_REWRITE_FAILED;
    parse_inner(&c, in, eth, eth->h_proto, ETH_HLEN);
    in->tagged |= skb->vlan_present;
    return XV_CONTINUE;
}

/*
 * How many packets a GSO packet stands for. gso_segs is 0 behind every adjust_room; `headers` are
 * then what each segment repeats.
 */
static __always_inline __u32 tc_segments(struct __sk_buff *skb, __u32 headers)
{
    __u32 size = skb->gso_size, segments = skb->gso_segs;

    if (!size || segments)
        return segments ? segments : 1;
    return skb->len > headers ? (skb->len - headers + size - 1) / size : 1;
}

/* Where the inner headers are not known: about. */
static __always_inline __u32 tc_packets(struct __sk_buff *skb)
{
    return tc_segments(skb, XV_OUTER_V4 + ETH_HLEN + 20 + 20);
}

/* The VTEP of a frame that the XDP program of this port has stripped, else NULL. */
static __always_inline struct xv_vtep *tc_stripped(struct __sk_buff *skb)
{
    struct xv_meta *meta = (void *)(long)skb->data_meta;
    struct xv_vtep *vtep;

    if ((void *)(meta + 1) > (void *)(long)skb->data)
        return NULL;
    /* Not erased: a write would have the kernel copy a packet that is tapped, without metadata. */
    vtep = vtep_by_slot(meta->slot);
    return vtep && meta->magic == (XV_META_MAGIC ^ skb->ifindex ^ vtep->nonce) ? vtep : NULL;
}

/*
 * Generic XDP may hand on a copy of the packet whose mac_len is 0: TC then starts at the L3 header.
 * Puts the MAC header back in view; returns whether that was needed.
 */
static __always_inline int tc_restore_mac(struct __sk_buff *skb)
{
    struct ethhdr seen XV_ALIGN2, real XV_ALIGN2;

    if (bpf_skb_load_bytes_relative(skb, 0, &real, sizeof(real), BPF_HDR_START_MAC))
        return 0;
    if (!bpf_skb_load_bytes(skb, 0, &seen, sizeof(seen)) && mac_equal(seen.h_dest, real.h_dest) &&
        mac_equal(seen.h_source, real.h_source) && seen.h_proto == real.h_proto)
        return 0;
    return !bpf_skb_change_head(skb, sizeof(real), 0) &&
           !bpf_skb_store_bytes(skb, 0, &real, sizeof(real), 0);
}

static __always_inline int to_action(__u32 slot, int reason, __u32 packets)
{
    count_reason(slot, reason, packets);
    return reason_drops(reason) ? TC_ACT_SHOT : XV_PASS;
}

/* As to_action(); where the reason came with an action, that. */
static __always_inline int tc_finish(__u32 slot, int reason, __u32 packets, int action)
{
    if (reason == XV_CONTINUE)
        return action;
    if (reason == XV_PROXIED || reason == XV_PKT_TOO_BIG) {
        count_reason(slot, reason, packets);
        return action;
    }
    return to_action(slot, reason, packets);
}

/* A tag, other than a priority tag (VLAN 0), which the stack ignores too. */
static __always_inline int tc_in_vlan(struct __sk_buff *skb)
{
    return skb->vlan_present && skb->vlan_tci & 0xfff;
}

/* A packet from the underlay is left to the kernel: its sender goes with it. */
XV_STEP int sender_remember(struct __sk_buff *skb)
{
    struct cursor c = tc_linear(skb, ETH_HLEN + sizeof(struct ipv6hdr));
    struct ethhdr *eth = take(&c, sizeof(*eth));
    __u32 udp = ETH_HLEN;
    struct xv_addr from;
    __be16 port = 0; /* a sender of its own, where it cannot be told */

    if (!eth)
        return 0;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return 0;
        addr_from_v4(&from, ip->saddr);
        udp += ip->ihl * 4;
    } else {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return 0;
        addr_from_v6(&from, ip->saddr.in6_u.u6_addr32);
        udp += sizeof(*ip) + (ip->nexthdr == IPPROTO_FRAGMENT ? 8 : 0);
    }
    bpf_skb_load_bytes(skb, udp + 2, &port, sizeof(port));
    skb->tc_index = sender_mark(&from, port, bpf_ktime_get_coarse_ns());
    return 0;
}

/* The VLAN that a trunk would map; another kind of tag (802.1ad) is part of the frame. */
static __always_inline __u32 tc_vlan(struct __sk_buff *skb)
{
    return skb->vlan_present && skb->vlan_proto == bpf_htons(ETH_P_8021Q) ? skb->vlan_tci & 0xfff
                                                                          : 0;
}

/*
 * skb->protocol is what redirect_neigh, segmentation and the receiver go by, but nothing writes it
 * where the inner family is not the outer one. Popping an in-packet tag reads it from the packet;
 * so push two tags (the first moves into the packet) and pop both.
 */
static __always_inline int skb_fix_proto(struct __sk_buff *skb)
{
    return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ||
           bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) || bpf_skb_vlan_pop(skb) ||
           bpf_skb_vlan_pop(skb);
}

/* The tags behind the MACs, the first one first, back into metadata and packet. */
static __always_inline int push_vlans(struct __sk_buff *skb, const struct l2 *l2)
{
    __be16 tag[2];

    if (l2->size == XV_TAGGED_SIZE) {
        __builtin_memcpy(tag, l2->bytes + 16, sizeof(tag));
        if (bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1])))
            return -1;
    }
    if (l2->size > ETH_HLEN) {
        __builtin_memcpy(tag, l2->bytes + 12, sizeof(tag));
        if (bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1])))
            return -1;
    }
    return 0;
}

/* The L2 header: `seen`, with tags out of skb metadata, or they would end up outside the tunnel. */
static __always_inline int pop_vlans(struct __sk_buff *skb, const struct ethhdr *seen,
                                     struct l2 *l2)
{
    struct ethhdr eth;
    __be16 tag[2];

    __builtin_memset(l2, 0, sizeof(*l2));
    __builtin_memcpy(l2->bytes, seen, ETH_HLEN);
    __builtin_memcpy(&l2->l3_proto, l2->bytes + 12, 2);
    l2->size = ETH_HLEN;
    if (!skb->vlan_present)
        return XV_CONTINUE;

    tag[0] = skb->vlan_proto;
    tag[1] = bpf_htons(skb->vlan_tci);
    __builtin_memcpy(l2->bytes + 12, tag, sizeof(tag));
    l2->size += XV_TAG_SIZE;
    if (bpf_skb_vlan_pop(skb))
        return XV_REWRITE_FAILED;
    if (skb->vlan_present) {
        tag[0] = skb->vlan_proto;
        tag[1] = bpf_htons(skb->vlan_tci);
        __builtin_memcpy(l2->bytes + 16, tag, sizeof(tag));
        l2->size += XV_TAG_SIZE;
        if (bpf_skb_vlan_pop(skb))
            return XV_REWRITE_FAILED;
    }
    if (skb->vlan_present) /* a third */
        return push_vlans(skb, l2) ? XV_REWRITE_FAILED : XV_KERNEL_PATH;
    if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return XV_REWRITE_FAILED;
    l2->l3_proto = eth.h_proto;
    __builtin_memcpy(l2->bytes + (l2->size == XV_TAGGED_SIZE ? 20 : 16), &eth.h_proto, 2);
    return XV_CONTINUE;
}

struct sum_loop {
    struct __sk_buff *skb;
    __u32 at, end;
    __u32 sum;
};

#define XV_SUM_CHUNK 64

static long sum_chunk(__u32 index, void *context)
{
    struct sum_loop *loop = context;
    __u8 chunk[XV_SUM_CHUNK] = {};
    __u32 size = loop->end - loop->at;

    if (loop->at >= loop->end)
        return 1;
    if (size > XV_SUM_CHUNK)
        size = XV_SUM_CHUNK;
    /* Linux 6.1's verifier does not see that it is not 0. */
    asm volatile("" : "+r"(size));
    size = ((size - 1) & (XV_SUM_CHUNK - 1)) + 1;
    if (bpf_skb_load_bytes(loop->skb, loop->at, chunk, size))
        return 1;
    loop->sum = bpf_csum_diff(NULL, 0, (__be32 *)chunk, sizeof(chunk), loop->sum);
    loop->at += size;
    return 0;
}

/*
 * Whether a checksum deeper inside may be left to an offload: nothing here may be read then. Of a
 * tunnel inside, the skb is marked as encapsulated, which bpf_skb_change_tail() refuses.
 */
static __always_inline int has_inner_checksums(struct __sk_buff *skb, const struct inner *in)
{
    if (in->extended) /* MLD: as IGMP */
        return 1;
    switch (in->l4_proto) {
    case IPPROTO_SCTP: /* a CRC, of its own offload */
    case IPPROTO_IGMP: /* a bridge's snooping leaves a sum over all of the packet, which outlives
                          the tunnel on a virtual wire, and is wrong there */
        return 1;
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
    case IPPROTO_GRE:
    case IPPROTO_UDP: /* without a checksum */
        return bpf_skb_change_tail(skb, skb->len, 0) != 0;
    }
    return 0;
}

/*
 * The sum of a TCP or UDP packet with a checksum, which is the complement of its pseudo-header's,
 * whether the checksum is there already or left to an offload (the kernel's lco_csum()).
 */
static __always_inline int lco_sum(struct __sk_buff *skb, const struct inner *in, __u64 *total)
{
    __u32 l3_size = skb->len - in->l3_offset, l4_size = skb->len - in->l4_offset;
    struct cursor c = tc_cursor(skb);
    __u16 check;

    if ((in->l4_proto != IPPROTO_TCP && in->l4_proto != IPPROTO_UDP) || !in->l4_offset ||
        in->extended)
        return 0;
    c.at += in->l3_offset == ETH_HLEN                 ? ETH_HLEN
            : in->l3_offset == ETH_HLEN + XV_TAG_SIZE ? ETH_HLEN + XV_TAG_SIZE
                                                      : XV_TAGGED_SIZE;
    if (in->l4_proto == IPPROTO_UDP &&
        (bpf_skb_load_bytes(skb, in->l4_offset + 6, &check, sizeof(check)) || !check))
        return 0;
    if (in->l3_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || bpf_ntohs(ip->tot_len) != l3_size)
            return 0;
        __be32 addresses[2] = {ip->saddr, ip->daddr};

        *total += (__u16)~csum_fold(pseudo_sum(addresses, sizeof(addresses), l4_size,
                                               in->l4_proto)); /* the header's own sum is 0 */
    } else {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip || bpf_ntohs(ip->payload_len) + sizeof(*ip) != l3_size)
            return 0;
        struct ipv6hdr copy = *ip;

        *total += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&copy, sizeof(copy), 0);
        *total += (__u16)~csum_fold(pseudo_sum(&copy.saddr, 32, l4_size, in->l4_proto));
    }
    return 1;
}

/* Sum of the frame from byte `from` on, where its L2 header will be taken off. */
static __always_inline int skb_payload_sum(struct __sk_buff *skb, const struct inner *in,
                                           __u32 from, __u64 *total)
{
    struct sum_loop loop = {.skb = skb, .at = from, .end = skb->len};
    __be32 tags[2] = {};

    if (lco_sum(skb, in, total)) {
        long failed = 0;

        if (in->l3_offset - from == sizeof(tags[0]))
            failed = bpf_skb_load_bytes(skb, from, tags, sizeof(tags[0]));
        else if (in->l3_offset != from)
            failed = bpf_skb_load_bytes(skb, from, tags, sizeof(tags));
        *total += (__u32)bpf_csum_diff(NULL, 0, tags, sizeof(tags), 0);
        return failed ? XV_REWRITE_FAILED : XV_CONTINUE;
    }
    if (has_inner_checksums(skb, in))
        return XV_KERNEL_PATH;
    bpf_loop(65536 / XV_SUM_CHUNK, sum_chunk, &loop, 0);
    if (loop.at != loop.end)
        return XV_REWRITE_FAILED;
    *total += loop.sum;
    return XV_CONTINUE;
}

/* Over UDP pseudo-header, UDP header and the VXLAN header behind it, and L2 header; `sum`: the
 * rest. */
static __noinline __u16 tc_udp_check(const void *addresses, __u32 addresses_size,
                                     const struct udphdr *udp, const struct l2 *l2, __u64 sum)
{
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)udp, sizeof(*udp) + 8, 0);
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)l2->bytes, sizeof(l2->bytes), 0);
    sum += pseudo_sum(addresses, addresses_size, bpf_ntohs(udp->len), IPPROTO_UDP);
    return csum_finish(sum);
}

/* Makes room for `outer` bytes and the L2 header in front of the L3 header, at offset 0. */
static __always_inline int tc_grow(struct __sk_buff *skb, const struct l2 *l2, __u32 outer, int v6)
{
    /* With 22 for the L2 header (VXLAN's own 8 counted in) large TCP packets vanish. */
    __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
                  BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                  (v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
    __s32 room = outer + l2->size - ETH_HLEN;
    struct ethhdr zeros = {};

    if (l2->l3_proto == bpf_htons(ETH_P_IP) || l2->l3_proto == bpf_htons(ETH_P_IPV6)) {
        int error = bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC,
                                        flags | BPF_F_ADJ_ROOM_ENCAP_L2(l2->size));
        if (!error)
            return XV_CONTINUE;
        if (skb->gso_size)
            return XV_KERNEL_PATH; /* still marked as encapsulated by an earlier tunnel */
    } else if (skb->gso_size) {
        return XV_KERNEL_PATH;
    }
    if (bpf_skb_change_head(skb, room, 0))
        return XV_REWRITE_FAILED;
    /* As adjust_room leaves it: nothing but zeros between the new L2 header and the old L3 one. */
    return bpf_skb_store_bytes(skb, room, &zeros, sizeof(zeros), 0) ? XV_REWRITE_FAILED
                                                                    : XV_CONTINUE;
}

/* What tc_encap() writes, of either family: one place, as the stack is small. */
struct headers {
    __u16 align;
    struct ethhdr eth;
    union {
        struct {
            struct outer_v4 outer;
            __u8 l2[XV_TAGGED_SIZE];
        } v4;
        struct {
            struct outer_v6 outer;
            __u8 l2[XV_TAGGED_SIZE];
        } v6;
    };
};

/*
 * Of a known size each, as Linux 6.1 wants it. What is behind the L2 header counts for a checksum
 * over the whole packet (CHECKSUM_COMPLETE), if it has one.
 */
static __always_inline int tc_store_headers(struct __sk_buff *skb, const struct headers *h,
                                            __u32 outer, __u32 l2_size)
{
    const void *rest = &h->v4;
    long failed = bpf_skb_store_bytes(skb, 0, &h->eth, ETH_HLEN, 0);

    outer -= ETH_HLEN;
    if (l2_size == ETH_HLEN)
        failed |= bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + ETH_HLEN, BPF_F_RECOMPUTE_CSUM);
    else if (l2_size == XV_TAGGED_SIZE)
        failed |=
            bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + XV_TAGGED_SIZE, BPF_F_RECOMPUTE_CSUM);
    else
        failed |= bpf_skb_store_bytes(skb, ETH_HLEN, rest, outer + ETH_HLEN + XV_TAG_SIZE,
                                      BPF_F_RECOMPUTE_CSUM);
    return failed ? XV_REWRITE_FAILED : XV_CONTINUE;
}

static __always_inline int tc_write_v4(struct __sk_buff *skb, struct headers *h,
                                       const struct xv_vtep *vtep, const struct xv_remote *dest,
                                       const struct inner *in, const struct l2 *l2,
                                       const struct xv_nexthop *nexthop, __u64 sum)
{
    struct outer_v4 *outer = &h->v4.outer;
    int reason;

    build_outer_v4(&h->eth, outer, vtep, dest, in, nexthop, skb->len - ETH_HLEN + l2->size);
    __builtin_memcpy(h->v4.l2, l2->bytes, XV_TAGGED_SIZE);
    if (needs_csum(vtep)) {
        __be32 addresses[2] = {outer->ip.saddr, outer->ip.daddr};

        outer->udp.check = tc_udp_check(addresses, sizeof(addresses), &outer->udp, l2, sum);
    }
    reason = tc_grow(skb, l2, XV_OUTER_V4, 0);
    if (reason != XV_CONTINUE)
        return reason;
    return tc_store_headers(skb, h, XV_OUTER_V4, l2->size);
}

static __always_inline int tc_write_v6(struct __sk_buff *skb, struct headers *h,
                                       const struct xv_vtep *vtep, const struct xv_remote *dest,
                                       const struct inner *in, const struct l2 *l2,
                                       const struct xv_nexthop *nexthop, __u64 sum)
{
    struct outer_v6 *outer = &h->v6.outer;
    int reason;

    build_outer_v6(&h->eth, outer, vtep, dest, in, nexthop, skb->len - ETH_HLEN + l2->size);
    __builtin_memcpy(h->v6.l2, l2->bytes, XV_TAGGED_SIZE);
    if (needs_csum(vtep))
        outer->udp.check = tc_udp_check(&outer->ip.saddr, 32, &outer->udp, l2, sum);
    reason = tc_grow(skb, l2, XV_OUTER_V6, 1);
    if (reason != XV_CONTINUE)
        return reason;
    return tc_store_headers(skb, h, XV_OUTER_V6, l2->size);
}

/* Strips `o->size` bytes and the inner L2 header, then writes the latter over the outer one. */
static __always_inline int tc_strip(struct __sk_buff *skb, const struct outer *o,
                                    const struct ethhdr *inner)
{
    /* Refused for an inner packet too small for the outer family: the kernel's device takes it. */
    if (bpf_skb_adjust_room(skb, -(__s32)o->size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
        return XV_KERNEL_PATH;
    if (bpf_skb_store_bytes(skb, 0, inner, sizeof(*inner), 0))
        return XV_REWRITE_FAILED;
    return XV_CONTINUE;
}

/* Outer CE on an inner packet that does not know congestion marks. */
static __always_inline int tc_ecn_drops(struct __sk_buff *skb, const struct outer *o, __be16 proto)
{
    __u32 at = o->size + ETH_HLEN;
    __u8 tos[2];

    if ((o->tos & XV_ECN_MASK) != XV_ECN_CE || bpf_skb_load_bytes(skb, at, tos, sizeof(tos)))
        return 0;
    if (proto == bpf_htons(ETH_P_IP))
        return ecn_decapsulate(o->tos, tos[1]) < 0;
    return proto == bpf_htons(ETH_P_IPV6) && ecn_decapsulate(o->tos, tos[1] >> 4) < 0;
}

/* Outer congestion marks onto the inner header, before the outer one goes; tc_ecn_drops() was
 * asked. */
static __always_inline int tc_ecn(struct __sk_buff *skb, const struct outer *o, __be16 proto)
{
    __u32 at = o->size + ETH_HLEN;
    int ecn;

    if (!(o->tos & XV_ECN_MASK))
        return XV_CONTINUE;
    if (proto == bpf_htons(ETH_P_IP)) {
        struct iphdr ip;

        if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
            return XV_CONTINUE;
        ecn = ecn_decapsulate(o->tos, ip.tos);
        if (ecn == (ip.tos & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v4(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0) ? XV_REWRITE_FAILED : XV_CONTINUE;
    }
    if (proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr ip;

        if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
            return XV_CONTINUE;
        ecn = ecn_decapsulate(o->tos, ip.flow_lbl[0] >> 4);
        if (ecn == (ip.flow_lbl[0] >> 4 & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v6(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM)
                   ? XV_REWRITE_FAILED
                   : XV_CONTINUE;
    }
    return XV_CONTINUE;
}

#endif
