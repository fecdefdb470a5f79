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
    __u8 zero_csum; /* the UDP checksum is 0 */
};

/* Whether some VTEP uses this UDP port. */
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
    /* The stack trims a frame that is longer than its packet, and refuses one that is shorter. */
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

/* Parses all outer headers. `frame_size`: of the whole frame, which may go on past `c->end`. */
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

#endif
