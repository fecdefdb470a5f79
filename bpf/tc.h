/* SPDX-License-Identifier: GPL-2.0-only */
/* Rewriting and sending packets from TC: GSO packets stay whole. */
#ifndef XVTEP_BPF_TC_H
#define XVTEP_BPF_TC_H

#include <linux/pkt_cls.h>

#include "bpf/classify.h"
#include "bpf/encap.h"
#include "bpf/verdict.h"

#define XV_TAGGED_SIZE (ETH_HLEN + 4)
#define XV_LINEAR 128 /* outer and inner headers, as far as we read them */
#define XV_PASS TC_ACT_UNSPEC /* also TCX_NEXT: others' programs come after us */
#define XV_FROM_PORT 0x7877   /* in tc_index: the other ports have had their copies */
#define XV_PACKET_HOST 0      /* linux/if_packet.h */
#define XV_PACKET_OTHERHOST 3

/* A frame's own L2 header, the tag taken from skb metadata put back in its place. */
struct l2 {
    __u8 bytes[XV_TAGGED_SIZE];
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

    if ((void *)(meta + 1) > (void *)(long)skb->data)
        return NULL;
    return meta->magic == (XV_META_MAGIC ^ skb->ifindex) ? vtep_by_slot(meta->slot) : NULL;
}

/*
 * Generic XDP may hand on a copy of the packet whose mac_len is 0: TC then starts at the L3 header.
 * Puts the MAC header back in view; returns whether that was needed.
 */
static __always_inline int tc_restore_mac(struct __sk_buff *skb)
{
    struct ethhdr seen, real;

    if (bpf_skb_load_bytes_relative(skb, 0, &real, sizeof(real), BPF_HDR_START_MAC))
        return 0;
    if (!bpf_skb_load_bytes(skb, 0, &seen, sizeof(seen)) && mac_equal(seen.h_dest, real.h_dest) &&
        mac_equal(seen.h_source, real.h_source) && seen.h_proto == real.h_proto)
        return 0;
    return !bpf_skb_change_head(skb, sizeof(real), 0) &&
           !bpf_skb_store_bytes(skb, 0, &real, sizeof(real), 0);
}

static __always_inline int tc_conclude(__u32 slot, int verdict, __u32 packets)
{
    count_verdict(slot, verdict, packets);
    return verdict_drops(verdict) ? TC_ACT_SHOT : XV_PASS;
}

/*
 * skb->protocol is what redirect_neigh, segmentation and the receiver go by, but nothing writes it
 * where the inner family is not the outer one. Popping an in-packet tag reads it from the packet;
 * so push two tags (the first moves into the packet) and pop both.
 */
static __always_inline int tc_refresh_protocol(struct __sk_buff *skb)
{
    return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ||
           bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) || bpf_skb_vlan_pop(skb) ||
           bpf_skb_vlan_pop(skb);
}

/* Reads the L2 header; takes a tag out of skb metadata, or it would end up outside the tunnel. */
static __always_inline int tc_take_l2(struct __sk_buff *skb, struct l2 *l2)
{
    struct ethhdr eth;
    __be16 tag[2];

    if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return XV_HELPER;
    l2->l3_proto = eth.h_proto;
    l2->size = ETH_HLEN;
    if (skb->vlan_present) {
        tag[0] = skb->vlan_proto;
        tag[1] = bpf_htons(skb->vlan_tci);
        __builtin_memcpy(l2->bytes, &eth, 12);
        __builtin_memcpy(l2->bytes + 12, tag, 4);
        __builtin_memcpy(l2->bytes + 16, &eth.h_proto, 2);
        l2->size = XV_TAGGED_SIZE;
        return bpf_skb_vlan_pop(skb) ? XV_HELPER : XV_CONTINUE;
    }
    __builtin_memcpy(l2->bytes, &eth, ETH_HLEN);
    __builtin_memset(l2->bytes + ETH_HLEN, 0, 4);
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
 * Sum of the frame behind its L2 header. TCP and UDP with a checksum sum up to the complement of
 * their pseudo-header, whether the checksum is there already or left to an offload (the kernel's
 * lco_csum()); everything else is read.
 */
static __always_inline int tc_payload_sum(struct __sk_buff *skb, const struct inner *in,
                                          __u64 *total)
{
    struct cursor c = tc_cursor(skb);
    struct sum_loop loop = {.skb = skb, .at = ETH_HLEN, .end = skb->len};
    __u32 l3_size = skb->len - ETH_HLEN;

    if (in->l4_proto == IPPROTO_SCTP)
        return XV_KERNEL_PATH; /* its CRC may not be there yet */
    c.at += ETH_HLEN;
    if ((in->l4_proto == IPPROTO_TCP || in->l4_proto == IPPROTO_UDP) && in->l4_offset &&
        in->l3_offset == ETH_HLEN) {
        if (in->l3_proto == bpf_htons(ETH_P_IP)) {
            struct iphdr *ip = take(&c, sizeof(*ip));
            struct udphdr *udp = take(&c, sizeof(*udp));

            if (ip && udp && ip->ihl == 5 && bpf_ntohs(ip->tot_len) == l3_size &&
                (in->l4_proto == IPPROTO_TCP || udp->check)) {
                __be32 addresses[2] = {ip->saddr, ip->daddr};

                *total += (__u16)~csum_fold(pseudo_sum(addresses, sizeof(addresses),
                                                       l3_size - sizeof(*ip), in->l4_proto));
                return XV_CONTINUE;
            }
        } else {
            struct ipv6hdr *ip = take(&c, sizeof(*ip));

            if (ip && bpf_ntohs(ip->payload_len) + sizeof(*ip) == l3_size) {
                struct ipv6hdr copy = *ip;

                *total += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&copy, sizeof(copy), 0);
                *total += (__u16)~csum_fold(pseudo_sum(&copy.saddr, 32, l3_size - sizeof(*ip),
                                                       in->l4_proto));
                return XV_CONTINUE;
            }
        }
    }
    bpf_loop(65536 / XV_SUM_CHUNK, sum_chunk, &loop, 0);
    if (loop.at != loop.end)
        return XV_HELPER;
    *total += loop.sum;
    return XV_CONTINUE;
}

/* The sum over UDP pseudo-header, UDP and VXLAN headers and L2 header; the rest is in `sum`. */
static __always_inline __u16 tc_udp_check(const void *addresses, __u32 addresses_size,
                                          const struct udphdr *udp, const struct l2 *l2, __u64 sum)
{
    __be32 head[4]; /* UDP and VXLAN headers */
    __be32 l2_words[5] = {};

    __builtin_memcpy(head, udp, sizeof(head));
    __builtin_memcpy(l2_words, l2->bytes, XV_TAGGED_SIZE);
    sum += (__u32)bpf_csum_diff(NULL, 0, head, sizeof(head), 0);
    sum += (__u32)bpf_csum_diff(NULL, 0, l2_words, sizeof(l2_words), 0);
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
        return XV_HELPER;
    return XV_CONTINUE;
}

static __always_inline int tc_write_v4(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                       const struct xv_dest *dest, const struct inner *in,
                                       const struct l2 *l2, const struct xv_hop *hop)
{
    __u32 frame_size = skb->len - ETH_HLEN + l2->size;
    struct {
        __u16 align;
        struct ethhdr eth;
        struct outer_v4 outer;
        __u8 l2[XV_TAGGED_SIZE];
    } h = {};
    __u64 sum = 0;
    int verdict;

    build_outer_v4(&h.eth, &h.outer, vtep, dest, in, hop, frame_size);
    __builtin_memcpy(h.l2, l2->bytes, XV_TAGGED_SIZE);
    if (wants_csum(vtep)) {
        __be32 addresses[2] = {h.outer.ip.saddr, h.outer.ip.daddr};

        verdict = tc_payload_sum(skb, in, &sum);
        if (verdict != XV_CONTINUE)
            return verdict;
        h.outer.udp.check = tc_udp_check(addresses, sizeof(addresses), &h.outer.udp, l2, sum);
    }
    verdict = tc_grow(skb, l2, XV_OUTER_V4, 0);
    if (verdict != XV_CONTINUE)
        return verdict;
    if (bpf_skb_store_bytes(skb, 0, &h.eth,
                            l2->size == ETH_HLEN ? XV_OUTER_V4 + ETH_HLEN
                                                 : XV_OUTER_V4 + XV_TAGGED_SIZE,
                            0))
        return XV_HELPER;
    return XV_CONTINUE;
}

static __always_inline int tc_write_v6(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                       const struct xv_dest *dest, const struct inner *in,
                                       const struct l2 *l2, const struct xv_hop *hop)
{
    __u32 frame_size = skb->len - ETH_HLEN + l2->size;
    struct {
        __u16 align;
        struct ethhdr eth;
        struct outer_v6 outer;
        __u8 l2[XV_TAGGED_SIZE];
    } h = {};
    __u64 sum = 0;
    int verdict;

    build_outer_v6(&h.eth, &h.outer, vtep, dest, in, hop, frame_size);
    __builtin_memcpy(h.l2, l2->bytes, XV_TAGGED_SIZE);
    if (wants_csum(vtep)) {
        verdict = tc_payload_sum(skb, in, &sum);
        if (verdict != XV_CONTINUE)
            return verdict;
        h.outer.udp.check = tc_udp_check(&h.outer.ip.saddr, 32, &h.outer.udp, l2, sum);
    }
    verdict = tc_grow(skb, l2, XV_OUTER_V6, 1);
    if (verdict != XV_CONTINUE)
        return verdict;
    if (bpf_skb_store_bytes(skb, 0, &h.eth,
                            l2->size == ETH_HLEN ? XV_OUTER_V6 + ETH_HLEN
                                                 : XV_OUTER_V6 + XV_TAGGED_SIZE,
                            0))
        return XV_HELPER;
    return XV_CONTINUE;
}

/* Several underlay ports: the route decides (its answer holds only where lo may forward). */
static __always_inline __u32 tc_route(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                      const struct xv_dest *dest)
{
    struct bpf_fib_lookup fib = {.ifindex = 1 /* lo: as a local packet */, .l4_protocol = IPPROTO_UDP};
    long found;

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

/*
 * Encapsulates and sends to one VTEP. Returns XV_CONTINUE with *action set, or a verdict: the
 * frame is then as it was, but for a tag that has been put back.
 */
static __always_inline int tc_encap(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                    const struct xv_dest *dest, __u64 now, int *action)
{
    __u32 overhead = (vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4) - ETH_HLEN;
    __u32 packets, oif, segment;
    struct inner in = {};
    struct xv_hop *hop;
    struct cursor c;
    struct l2 l2;
    __u64 bytes;
    int verdict;

    verdict = tc_take_l2(skb, &l2);
    if (verdict != XV_CONTINUE)
        return verdict;
    c = tc_linear(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));
    if (!eth)
        return XV_HELPER;
    parse_inner(&c, &in, eth, l2.l3_proto, ETH_HLEN);

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

    oif = hop_oif(vtep, dest);
    if (vtep->underlay_count > 1 && !dest->ifindex)
        oif = 0;
    hop = hop_find(&dest->addr, oif, now);
    if (hop)
        oif = hop->ifindex;
    else if (!oif)
        oif = tc_route(skb, vtep, dest);
    if (!fits_path(skb, oif, segment)) {
        verdict = XV_OVER_MTU;
        goto back;
    }

    if (vtep->flags & XV_VTEP_V6)
        verdict = tc_write_v6(skb, vtep, dest, &in, &l2, hop);
    else
        verdict = tc_write_v4(skb, vtep, dest, &in, &l2, hop);
    if (verdict != XV_CONTINUE)
        goto back;

    if (hop) {
        *action = bpf_redirect(oif, 0);
    } else {
        if (l2.l3_proto != bpf_htons(ETH_P_IP) && l2.l3_proto != bpf_htons(ETH_P_IPV6) &&
            tc_refresh_protocol(skb))
            return XV_HELPER;
        skb->tc_index = XV_ASK;
        *action = bpf_redirect_neigh(oif, NULL, 0, 0);
    }
    count_tx(vtep->slot, packets, bytes);
    return XV_CONTINUE;

back:
    if (l2.size == XV_TAGGED_SIZE && !verdict_drops(verdict)) {
        __be16 tag[2];

        __builtin_memcpy(tag, l2.bytes + 12, sizeof(tag));
        if (bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1])))
            return XV_HELPER;
    }
    return verdict;
}

/* Strips `o->size` bytes and the inner L2 header, then writes the latter over the outer one. */
static __always_inline int tc_strip(struct __sk_buff *skb, const struct outer *o,
                                    const struct ethhdr *inner)
{
    /* Refused for an inner packet too small for the outer family: the kernel's device takes it. */
    if (bpf_skb_adjust_room(skb, -(__s32)o->size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
        return XV_KERNEL_PATH;
    if (bpf_skb_store_bytes(skb, 0, inner, sizeof(*inner), 0))
        return XV_HELPER;
    return XV_CONTINUE;
}

/* Outer congestion marks onto the inner header, before the outer one goes. */
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
        if (ecn < 0)
            return XV_ECN_CE_DROP;
        if (ecn == (ip.tos & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v4(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0) ? XV_HELPER : XV_CONTINUE;
    }
    if (proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr ip;

        if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
            return XV_CONTINUE;
        ecn = ecn_decapsulate(o->tos, ip.flow_lbl[0] >> 4);
        if (ecn < 0)
            return XV_ECN_CE_DROP;
        if (ecn == (ip.flow_lbl[0] >> 4 & XV_ECN_MASK))
            return XV_CONTINUE;
        ecn_set_v6(&ip, ecn);
        return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0) ? XV_HELPER : XV_CONTINUE;
    }
    return XV_CONTINUE;
}

#endif
