/* SPDX-License-Identifier: GPL-2.0-only */
/* Parses the outer headers of a packet from the underlay. */
#ifndef XVTEP_BPF_PARSE_OUTER_H
#define XVTEP_BPF_PARSE_OUTER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/csum.h"
#include "bpf/cursor.h"
#include "bpf/maps.h"

struct outer {
    struct xv_addr src, dst;
    struct xv_vxlan_header vxlan;
    __be16 sport, dport;
    __u32 size;       /* of all outer headers, Ethernet to VXLAN */
    __u32 frame_size; /* of the packet, outer headers included */
    __u8 v6;
    __u8 tos;
    __u16 csum; /* the UDP checksum, not checked; no flag, which would be two states */
};

/* Whether some VTEP uses this UDP port. */
static __always_inline int port_is_ours(__be16 dport)
{
    __u32 port = bpf_ntohs(dport), word = port / 64;
    __u64 *bits = bpf_map_lookup_elem(&dstports, &word);

    return bits && *bits >> (port % 64) & 1;
}

/*
 * Whether the packet ends within the IP header of its inner frame, which begins behind the outer
 * headers and is of type `proto`: the kernel's device drops it (pskb_inet_may_pull()).
 */
static __always_inline int inner_is_cut(const struct outer *o, __be16 proto)
{
    __u32 size = o->frame_size - o->size;

    return (proto == bpf_htons(ETH_P_IP) && size < ETH_HLEN + sizeof(struct iphdr)) ||
           (proto == bpf_htons(ETH_P_IPV6) && size < ETH_HLEN + sizeof(struct ipv6hdr));
}

/* What remains to be checked behind the headers of both IP versions. */
struct outer_rest {
    __u32 l3_size;
    __u32 bad_csum; /* 0: the IPv4 header's checksum is right */
};

/*
 * `zero`: see unknown_zero(). Writes in order, since the verifier takes eight bytes that are
 * written in another order for something else than those of an IPv6 address.
 */
static __always_inline void addr_from_outer_v4(struct xv_addr *addr, __be32 v4, __u32 zero)
{
    volatile __be32 *word = addr->word;

    word[0] = zero;
    word[1] = zero;
    word[2] = bpf_htonl(0xffff) ^ zero;
    word[3] = v4;
}

static __always_inline int parse_outer_v4(struct cursor *c, struct outer *o,
                                          struct outer_rest *rest)
{
    struct iphdr *ip = take(c, sizeof(*ip));
    __u32 *word = (__u32 *)ip, zero;
    __u64 sum = 0;

    if (!ip || ip->version != 4 || ip->ihl < 5)
        return XV_BAD_LENGTH;
    if (ip->protocol != IPPROTO_UDP)
        return XV_NOT_UDP;
    if (ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
        return XV_FRAGMENT;
    if (ip->ihl != 5)
        return XV_IP_OPTIONS;
    rest->l3_size = bpf_ntohs(ip->tot_len);
    for (int i = 0; i < 5; i++)
        sum += word[i];
    rest->bad_csum = csum_fold(sum) ^ 0xffff;
    zero = unknown_zero(ip->saddr);
    addr_from_outer_v4(&o->src, ip->saddr, zero);
    addr_from_outer_v4(&o->dst, ip->daddr, zero);
    o->tos = ip->tos;
    return XV_CONTINUE;
}

static __always_inline int parse_outer_v6(struct cursor *c, struct outer *o,
                                          struct outer_rest *rest)
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
    rest->l3_size = bpf_ntohs(ip->payload_len) + sizeof(*ip);
    rest->bad_csum = 0;
    addr_from_v6(&o->src, ip->saddr.in6_u.u6_addr32);
    addr_from_v6(&o->dst, ip->daddr.in6_u.u6_addr32);
    o->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
    return XV_CONTINUE;
}

/*
 * Parses all outer headers; `c` is then behind them. `frame_size`: of the whole frame, which may go
 * on past `c->end`. `xdp`: its frame may be longer than `frame_size`, in fragments of memory; or
 * NULL.
 */
static __always_inline int parse_outer(struct cursor *c, struct outer *o, __u32 frame_size,
                                       struct xdp_md *xdp)
{
    struct ethhdr *eth = take(c, sizeof(*eth));
    struct xv_vxlan_header *vxlan;
    struct outer_rest rest;
    struct udphdr *udp;
    __u64 v6, udp_at;
    int reason;

    if (!eth)
        return XV_BAD_LENGTH;
    /* The type of IPv6 has the highest bit. A number to the verifier, so that it goes on once. */
    v6 = *(__u8 *)&eth->h_proto >> 7;
    asm volatile("" : "+r"(v6));
    if (eth->h_proto == bpf_htons(ETH_P_IP))
        reason = parse_outer_v4(c, o, &rest);
    else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
        reason = parse_outer_v6(c, o, &rest);
    else
        reason = XV_NOT_IP;
    if (reason != XV_CONTINUE)
        return reason;
    udp_at =
        sizeof(*eth) + sizeof(struct iphdr) + v6 * (sizeof(struct ipv6hdr) - sizeof(struct iphdr));
    asm volatile("" : "+r"(udp_at)); /* or it becomes a larger number less a constant */
    o->v6 = v6;
    o->size = udp_at + sizeof(*udp) + sizeof(*vxlan);

    /* The stack trims a frame that is longer than its packet, and refuses one that is shorter. */
    if (rest.l3_size + sizeof(*eth) != frame_size) {
        if (!xdp)
            return XV_BAD_LENGTH;
        frame_size = bpf_xdp_get_buff_len(xdp);
        if (rest.l3_size + sizeof(*eth) != frame_size)
            return XV_BAD_LENGTH;
    }
    if (rest.bad_csum)
        return XV_BAD_CHECKSUM;
    c->at = (void *)eth + udp_at;
    udp = take(c, sizeof(*udp));
    if (!udp)
        return XV_BAD_LENGTH;
    if (!port_is_ours(udp->dest))
        return XV_OTHER_PORT;
    if (bpf_ntohs(udp->len) != frame_size - udp_at)
        return XV_BAD_LENGTH;
    vxlan = take(c, sizeof(*vxlan));
    if (!vxlan)
        return XV_BAD_LENGTH;
    o->frame_size = frame_size;
    o->sport = udp->source;
    o->dport = udp->dest;
    o->csum = udp->check;
    o->vxlan = *vxlan;
    return XV_CONTINUE;
}

#endif
