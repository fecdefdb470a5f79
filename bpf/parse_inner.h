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
    __u8 cut;      /* ends within its IP header */
    __u8 tos;
    __u8 ttl;
    __u8 df;
};

#define XV_NO_L4 255        /* no L4 header, or a fragment (IANA reserves the number) */
#define XV_EXTENSIONS_MAX 4 /* IPv6 extension headers that the parser goes through */

static __always_inline __u64 flow_mix(__u64 flow, __u64 word)
{
    flow = (flow ^ word) * 0x9e3779b97f4a7c15ULL;
    return flow ^ flow >> 32;
}

static __always_inline void parse_l4(struct cursor *c, struct inner *in)
{
    __be16 *ports = c->at;

    if (in->l4_proto != IPPROTO_TCP && in->l4_proto != IPPROTO_UDP &&
        in->l4_proto != IPPROTO_SCTP && in->l4_proto != IPPROTO_UDPLITE)
        return;
    if (c->at + 4 > c->end)
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

    in->cut = !ip;
    if (!ip || ip->version != 4 || ip->ihl < 5)
        return;
    in->tos = ip->tos;
    in->ttl = ip->ttl;
    in->df = !!(ip->frag_off & bpf_htons(XV_IP_DF));
    in->headers += ip->ihl * 4;
    in->flow = flow_mix(in->flow, (__u64)ip->saddr << 32 | ip->daddr);
    in->flow = flow_mix(in->flow, ip->protocol);
    /* All fragments of a packet must take the same path, and only the first one has ports. */
    if (ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
        return;
    if (ip->ihl > 5 && !take(c, (ip->ihl - 5) * 4))
        return;
    in->l4_proto = ip->protocol;
    in->l4_offset = in->l3_offset + ip->ihl * 4;
    parse_l4(c, in);
}

/*
 * Sets l4_proto and l4_offset to the header behind the extension headers. They are not part of the
 * flow: BIG TCP puts a hop-by-hop header in front of some packets of a flow.
 */
static __always_inline void parse_extensions(struct cursor *c, struct inner *in, __u8 next)
{
    __u32 size = in->l3_offset + sizeof(struct ipv6hdr);

    for (int n = 0; n <= XV_EXTENSIONS_MAX; n++) {
        __u8 *header;
        __u32 more;

        if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS) {
            if (next == IPPROTO_FRAGMENT)
                return;
            in->l4_proto = next;
            in->l4_offset = size;
            in->headers = size;
            return;
        }
        in->extended = 1;
        header = take(c, 8);
        if (!header)
            return;
        next = header[0];
        more = header[1] * 8;
        size += 8 + more;
        /* Keep the mask below, from which the verifier knows the bound. */
        asm volatile("" : "+r"(more));
        if (!take(c, more & 2047))
            return;
    }
}

static __always_inline void parse_inner_v6(struct cursor *c, struct inner *in)
{
    struct ipv6hdr *ip = take(c, sizeof(*ip));
    __be32 *a;

    in->cut = !ip;
    if (!ip || ip->version != 6)
        return;
    a = ip->saddr.in6_u.u6_addr32; /* the destination follows the source */
    in->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
    in->ttl = ip->hop_limit;
    in->flow = flow_mix(in->flow, (__u64)a[0] << 32 | a[1]);
    in->flow = flow_mix(in->flow, (__u64)a[2] << 32 | a[3]);
    in->flow = flow_mix(in->flow, (__u64)a[4] << 32 | a[5]);
    in->flow = flow_mix(in->flow, (__u64)a[6] << 32 | a[7]);
    parse_extensions(c, in, ip->nexthdr);
    in->flow = flow_mix(in->flow, in->l4_proto);
    if (in->l4_proto != XV_NO_L4)
        parse_l4(c, in);
}

/* Parses from `c`, just behind the inner Ethernet header `eth`, whose type is `l3_proto`. */
static __always_inline void parse_inner(struct cursor *c, struct inner *in, struct ethhdr *eth,
                                        __be16 l3_proto, __u16 l3_offset)
{
    /* Skip VLAN tags in the packet: they are not part of the flow. */
    for (int n = 0; n < 2; n++) {
        __be16 *tag;

        if (l3_proto != bpf_htons(ETH_P_8021Q) && l3_proto != bpf_htons(ETH_P_8021AD))
            break;
        tag = take(c, 4);
        if (!tag)
            break;
        l3_proto = tag[1];
        l3_offset += 4;
    }
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

        in->flow = flow_mix(in->flow, (__u64)mac[0] << 32 | (__u32)mac[1] << 16 | mac[2]);
        in->flow = flow_mix(in->flow, (__u64)mac[3] << 32 | (__u32)mac[4] << 16 | mac[5]);
        in->flow = flow_mix(in->flow, l3_proto);
    }
}

#endif
