/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GSO packets from the tunnel. No helper takes the tunnel's marks off one (SKB_GSO_UDP_TUNNEL,
 * skb->encapsulation): a UDP socket then drops it, a tap device splits it. The kernel's device
 * takes them off. It hands packets on a little later than we do, so a flow that has GSO packets
 * goes its way whole, or its packets would overtake each other.
 *
 * Large packets of a tunnel inside go the same way: GRO looks into one tunnel at a time, so that
 * they come unmerged, and the kernel's device merges them once the outer tunnel is off.
 */
#ifndef XVTEP_BPF_MERGED_H
#define XVTEP_BPF_MERGED_H

#include "bpf/gc.h"
#include "bpf/parse.h"

#define XV_GRO_FLOW_LIFE (64ULL << 20) /* ns: longer than the kernel's queues take */

#define XV_GRO_LEAST 1000 /* bytes: shorter ones are not worth merging */

static __always_inline int is_tunnel_port(__be16 port)
{
    return port == bpf_htons(4789) || port == bpf_htons(8472) /* Linux's own for VXLAN */ ||
           port == bpf_htons(6081) /* Geneve */ || port_is_ours(port);
}

/* `c` stands on the inner frame. */
static __always_inline int has_inner_tunnel(struct cursor c)
{
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct udphdr *udp;
    __u8 proto;

    if (!eth)
        return 0;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || ip->ihl != 5)
            return 0;
        proto = ip->protocol;
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return 0;
        proto = ip->nexthdr;
    } else {
        return 0;
    }
    if (proto != IPPROTO_UDP)
        return proto == IPPROTO_GRE || proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
    udp = take(&c, sizeof(*udp));
    return udp && is_tunnel_port(udp->dest);
}

/* `c` stands on the inner frame. */
static __always_inline int flow_uses_gro(const struct __sk_buff *skb, const struct cursor *c,
                                         const struct outer *o, __u64 now)
{
    __u32 at = (o->src.word[3] ^ o->src.word[3] >> 16 ^ o->sport) & (XV_GRO_FLOWS - 1);
    __u32 *last = bpf_map_lookup_elem(&gro_flows, &at);

    if (!skb->gso_size && !(skb->len > XV_GRO_LEAST && has_inner_tunnel(*c)))
        return last && *last && xv_since(now, *last) < XV_GRO_FLOW_LIFE;
    if (last && *last != (xv_stamp(now) | 1))
        *last = xv_stamp(now) | 1; /* 0 is never */
    return 1;
}

#endif
