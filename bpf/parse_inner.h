/* SPDX-License-Identifier: GPL-2.0-only */
/* Parses the headers of a frame that is to be encapsulated. */
#ifndef XVTEP_BPF_PARSE_INNER_H
#define XVTEP_BPF_PARSE_INNER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/abi/wire.h"
#include "bpf/common.h"
#include "bpf/cursor.h"

/* The inner headers, as far as encapsulation needs them. */
struct inner {
    __u64 flow;      /* hash of addresses, protocol and ports */
    __u32 mark;      /* skb->mark if the VTEP sends it as group policy id, else 0 */
    __u16 l3_offset; /* from the start of the frame */
    __u16 l4_offset; /* 0: no L4 header, or a fragment */
    __u16 headers;   /* size of Ethernet to TCP or UDP header: GSO repeats them in every segment */
    __be16 l3_proto;
    __u8 l4_proto; /* behind IPv6 extension headers; or XV_NO_L4 */
    __u8 extended; /* has IPv6 extension headers */
    __u8 tagged;   /* has a VLAN tag */
    __u8 cut;      /* ends within its IP header or tags, or has more tags than are parsed */
    __u8 tos;
    __u8 ttl;
    __u8 df;
};

#define XV_NO_L4 255        /* no L4 header, or a fragment (IANA reserves the number) */
#define XV_EXTENSIONS_MAX 4 /* IPv6 extension headers that the parsers go through */

static __always_inline __u64 flow_mix(__u64 flow, __u64 word)
{
    flow = (flow ^ word) * 0x9e3779b97f4a7c15ULL;
    return flow ^ flow >> 32;
}

static __always_inline int has_ports(__u8 proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
           proto == IPPROTO_UDPLITE;
}

static __always_inline void parse_l4(struct cursor *c, struct inner *in)
{
    __be16 *ports = c->at;

    if (!has_ports(in->l4_proto) || c->at + 4 > c->end)
        return;
    in->flow = flow_mix(in->flow, (__u64)ports[0] << 16 | ports[1]);
    if (in->l4_proto == IPPROTO_TCP && c->at + 20 <= c->end)
        in->headers += (((__u8 *)c->at)[12] >> 4) * 4;
    else
        in->headers += 8;
}

static __always_inline void parse_inner_v4(struct cursor *c, struct inner *in)
{
    struct iphdr *ip = take(c, sizeof(*ip));
    __u32 size;

    in->cut = !ip;
    if (!ip)
        return;
    in->tos = ip->tos; /* of a malformed header, too, as the kernel's device does */
    in->ttl = ip->ttl;
    in->df = !!(ip->frag_off & bpf_htons(XV_IP_DF));
    if (ip->version != 4 || ip->ihl < 5)
        return;
    size = ip->ihl * 4;
    in->headers += size;
    in->flow = flow_mix(in->flow, (__u64)ip->saddr << 32 | ip->daddr);
    in->flow = flow_mix(in->flow, ip->protocol);
    /* All fragments of a packet must take the same path, and only the first one has ports. */
    if (ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
        return;
    c->at = ip;
    if (!take(c, size))
        return;
    in->l4_proto = ip->protocol;
    in->l4_offset = in->l3_offset + size;
    parse_l4(c, in);
}

static __always_inline int is_extension(__u8 next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

/* As parse_l3(). */
static __always_inline void parse_inner_v6(struct cursor *c, struct inner *in)
{
    struct ipv6hdr *ip = take(c, sizeof(*ip));
    __be32 *a;

    in->cut = !ip;
    if (!ip)
        return;
    a = ip->saddr.in6_u.u6_addr32; /* the destination follows the source */
    in->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
    in->ttl = ip->hop_limit;
    if (ip->version != 6)
        return;
    in->flow = flow_mix(in->flow, (__u64)a[0] << 32 | a[1]);
    in->flow = flow_mix(in->flow, (__u64)a[2] << 32 | a[3]);
    in->flow = flow_mix(in->flow, (__u64)a[4] << 32 | a[5]);
    in->flow = flow_mix(in->flow, (__u64)a[6] << 32 | a[7]);
    if (is_extension(ip->nexthdr)) {
        in->extended = 1;
        in->l4_proto = ip->nexthdr;
        return;
    }
    if (ip->nexthdr == IPPROTO_FRAGMENT) {
        in->flow = flow_mix(in->flow, XV_NO_L4);
        return;
    }
    in->l4_proto = ip->nexthdr;
    in->l4_offset = in->headers = in->l3_offset + sizeof(*ip);
    in->flow = flow_mix(in->flow, in->l4_proto);
    parse_l4(c, in);
}

static __always_inline int is_vlan(__be16 proto)
{
    return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/*
 * Skips up to two VLAN tags, the first of which is at `c`: they are not part of the flow. Returns
 * the size of those that are there, with *l3_proto behind them. The verifier must see no branch on
 * the second tag, or it would walk through all that follows once more.
 */
static __always_inline __u32 skip_tags(struct cursor *c, __be16 *l3_proto)
{
    __be16 *tag = take(c, 4);
    __u64 differs, more;

    if (!tag) {
        *l3_proto = bpf_htons(ETH_P_8021Q); /* a constant, so it is clear that no IP follows */
        return 0;
    }
    differs = (__u64)(tag[1] ^ bpf_htons(ETH_P_8021Q)) * (tag[1] ^ bpf_htons(ETH_P_8021AD));
    differs = -differs;
    asm volatile("" : "+r"(differs)); /* or the compiler makes a branch of it */
    more = 4 - 4 * (differs >> 63);
    tag = c->at + more;
    if ((void *)tag > c->end) {
        *l3_proto = bpf_htons(ETH_P_8021Q);
        return 4;
    }
    *l3_proto = tag[-1];
    c->at = tag;
    return 4 + more;
}

/*
 * Parses from `c`, where a header of the type `l3_proto` begins, at `l3_offset` of the frame with
 * the Ethernet header `eth`. If the result is `extended`, the caller goes on with
 * skb_parse_extensions().
 */
static __always_inline void parse_l3(struct cursor *c, struct inner *in, struct ethhdr *eth,
                                     __be16 l3_proto, __u16 l3_offset)
{
    in->l4_proto = XV_NO_L4;
    in->l3_proto = l3_proto;
    in->l3_offset = l3_offset;
    in->headers = l3_offset;
    in->tagged = l3_offset != ETH_HLEN;
    if (l3_proto == bpf_htons(ETH_P_IP)) {
        parse_inner_v4(c, in);
    } else if (l3_proto == bpf_htons(ETH_P_IPV6)) {
        parse_inner_v6(c, in);
    } else {
        __u16 *mac = (__u16 *)eth;

        in->cut = is_vlan(l3_proto);

        in->flow = flow_mix(in->flow, (__u64)mac[0] << 32 | (__u32)mac[1] << 16 | mac[2]);
        in->flow = flow_mix(in->flow, (__u64)mac[3] << 32 | (__u32)mac[4] << 16 | mac[5]);
        in->flow = flow_mix(in->flow, l3_proto);
    }
}

/* The same from `c`, just behind `eth`, where VLAN tags may be. */
static __always_inline void parse_inner(struct cursor *c, struct inner *in, struct ethhdr *eth)
{
    __be16 l3_proto = eth->h_proto;
    __u16 l3_offset = ETH_HLEN;

    if (is_vlan(l3_proto))
        l3_offset += skip_tags(c, &l3_proto);
    parse_l3(c, in, eth, l3_proto, l3_offset);
}

#endif
