/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading headers, outer and inner, from a bounds-checked cursor. Nothing here writes. */
#ifndef XVTEP_BPF_PARSE_H
#define XVTEP_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"

#define XV_IP_FRAGMENT 0x3fff /* more-fragments flag and offset */

struct cursor {
    void *at;
    void *end;
};

/* The next `size` bytes, or NULL where the packet ends before them. */
static __always_inline void *take(struct cursor *c, __u32 size)
{
    void *at = c->at;

    if (at + size > c->end)
        return NULL;
    c->at = at + size;
    return at;
}

static __always_inline __u16 csum_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

struct outer {
    struct xv_addr src, dst;
    struct xv_vxlan_header vxlan;
    __be16 sport, dport;
    __u32 size; /* of all outer headers, Ethernet to VXLAN */
    __u32 frame_size;
    __u8 v6;
    __u8 tos;
    __u8 zero_csum;
};

static __always_inline int port_is_ours(__be16 dport)
{
    __u32 port = bpf_ntohs(dport), word = port / 64;
    __u64 *bits = bpf_map_lookup_elem(&dstports, &word);

    return bits && *bits >> (port % 64) & 1;
}

static __always_inline int parse_outer_v4(struct cursor *c, struct outer *o, __u32 l3_size)
{
    struct iphdr *ip = take(c, sizeof(*ip));
    __u32 *word = (__u32 *)ip;
    __u64 sum = 0;

    if (!ip || ip->version != 4 || ip->ihl < 5)
        return XV_BAD_LENGTH;
    if (ip->protocol != IPPROTO_UDP)
        return XV_NOT_UDP;
    if (ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
        return XV_FRAGMENT;
    if (ip->ihl != 5)
        return XV_IP_OPTIONS;
    /* Shorter or longer than the frame: the stack trims or refuses it. */
    if (bpf_ntohs(ip->tot_len) != l3_size)
        return XV_BAD_LENGTH;
    for (int i = 0; i < 5; i++)
        sum += word[i];
    if (csum_fold(sum) != 0xffff)
        return XV_BAD_CHECKSUM;
    addr_from_v4(&o->src, ip->saddr);
    addr_from_v4(&o->dst, ip->daddr);
    o->tos = ip->tos;
    o->v6 = 0;
    o->size = XV_OUTER_V4;
    return XV_CONTINUE;
}

static __always_inline int parse_outer_v6(struct cursor *c, struct outer *o, __u32 l3_size)
{
    struct ipv6hdr *ip = take(c, sizeof(*ip));

    if (!ip || ip->version != 6)
        return XV_BAD_LENGTH;
    switch (ip->nexthdr) {
    case IPPROTO_UDP:
        break;
    case IPPROTO_FRAGMENT:
        return XV_FRAGMENT;
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_AH:
        return XV_IP_OPTIONS;
    default:
        return XV_NOT_UDP;
    }
    if (bpf_ntohs(ip->payload_len) + sizeof(*ip) != l3_size)
        return XV_BAD_LENGTH;
    addr_from_v6(&o->src, ip->saddr.in6_u.u6_addr32);
    addr_from_v6(&o->dst, ip->daddr.in6_u.u6_addr32);
    o->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
    o->v6 = 1;
    o->size = XV_OUTER_V6;
    return XV_CONTINUE;
}

/* `frame_size`: of the whole frame, which may go on past `c->end`. */
static __always_inline int parse_outer(struct cursor *c, struct outer *o, __u32 frame_size)
{
    struct ethhdr *eth = take(c, sizeof(*eth));
    struct xv_vxlan_header *vxlan;
    __u32 l3_size = frame_size - sizeof(*eth);
    struct udphdr *udp;
    int reason;

    if (!eth)
        return XV_BAD_LENGTH;
    if (eth->h_proto == bpf_htons(ETH_P_IP))
        reason = parse_outer_v4(c, o, l3_size);
    else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
        reason = parse_outer_v6(c, o, l3_size);
    else
        reason = XV_NOT_IP;
    if (reason != XV_CONTINUE)
        return reason;

    udp = take(c, sizeof(*udp));
    if (!udp)
        return XV_BAD_LENGTH;
    if (!port_is_ours(udp->dest))
        return XV_OTHER_PORT;
    if (bpf_ntohs(udp->len) != frame_size - (o->size - sizeof(*udp) - sizeof(*vxlan)))
        return XV_BAD_LENGTH;
    vxlan = take(c, sizeof(*vxlan));
    if (!vxlan)
        return XV_BAD_LENGTH;
    o->frame_size = frame_size;
    o->sport = udp->source;
    o->dport = udp->dest;
    o->zero_csum = !udp->check;
    o->vxlan = *vxlan;
    return XV_CONTINUE;
}

/* What encapsulation wants to know of the inner frame. */
struct inner {
    __u64 flow;      /* hash of the flow: addresses, protocol and ports */
    __u32 mark;      /* of the skb where that is the group policy id, else 0 */
    __u16 l3_offset; /* from the start of the frame */
    __u16 l4_offset; /* 0: none, or a fragment */
    __u16 headers;   /* Ethernet to TCP or UDP: what GSO repeats in every segment */
    __be16 l3_proto;
    __u8 l4_proto; /* behind IPv6 extension headers; XV_NO_L4: none, or a fragment */
    __u8 extended; /* there are IPv6 extension headers */
    __u8 tagged;
    __u8 cut; /* the packet ends within its IP header */
    __u8 tos;
    __u8 ttl;
    __u8 df;
};

#define XV_NO_L4 255         /* reserved by IANA: no protocol's number */
#define XV_EXTENSIONS_MOST 4 /* IPv6 extension headers that are looked behind */

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
    in->df = !!(ip->frag_off & bpf_htons(0x4000));
    in->headers += ip->ihl * 4;
    in->flow = flow_mix(in->flow, (__u64)ip->saddr << 32 | ip->daddr);
    in->flow = flow_mix(in->flow, ip->protocol);
    /* Fragments of one packet must share a path: the first has ports, the others not. */
    if (ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
        return;
    if (ip->ihl > 5 && !take(c, (ip->ihl - 5) * 4))
        return;
    in->l4_proto = ip->protocol;
    in->l4_offset = in->l3_offset + ip->ihl * 4;
    parse_l4(c, in);
}

/*
 * Sets l4_proto and l4_offset to what is behind the extension headers. BIG TCP puts a
 * nexthop-by-nexthop header in front of some packets of a flow: the flow is the same.
 */
static __always_inline void parse_extensions(struct cursor *c, struct inner *in, __u8 next)
{
    __u32 size = in->l3_offset + sizeof(struct ipv6hdr);

    for (int n = 0; n <= XV_EXTENSIONS_MOST; n++) {
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
        asm volatile("" : "+r"(more)); /* the verifier is to see the bound */
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
    a = ip->saddr.in6_u.u6_addr32; /* the destination follows it */
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

/* `c` stands behind the inner Ethernet header, whose type is `l3_proto`. */
static __always_inline void parse_inner(struct cursor *c, struct inner *in, struct ethhdr *eth,
                                        __be16 l3_proto, __u16 l3_offset)
{
    /* Tags in the packet: the flow is what is behind them. */
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
