/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows from the tunnel whose packets GRO merges into GSO packets. The kernel's device must take
 * those: no helper takes the marks of the tunnel off a GSO packet (SKB_GSO_UDP_TUNNEL,
 * skb->encapsulation), so that a UDP socket would drop it and a tap device would split it. The
 * kernel's device hands packets on a little later than we do. So it gets the whole flow, or the
 * other packets of the flow would overtake the GSO packets.
 *
 * It also gets large packets that arrive unmerged, and that the kernel's device merges after it has
 * removed the tunnel: TCP where the port has no GRO, as a veth whose other end could segment, and
 * packets of a tunnel inside the tunnel, since GRO looks into one tunnel at a time.
 */
#ifndef XVTEP_BPF_GRO_FLOW_H
#define XVTEP_BPF_GRO_FLOW_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/common.h"
#include "bpf/cursor.h"
#include "bpf/maps.h"
#include "bpf/parse_outer.h"

#define XV_GRO_FLOW_LIFE (64ULL << 20) /* ns: longer than packets wait in the kernel's queues */
#define XV_GRO_SIZE_MIN 1000           /* bytes: shorter packets are not worth merging */

static __always_inline int is_tunnel_port(__be16 port)
{
    return port == bpf_htons(XV_VXLAN_PORT) ||
           port == bpf_htons(8472) /* Linux's default for VXLAN */ ||
           port == bpf_htons(6081) /* Geneve */ || port_is_ours(port);
}

/* Whether GRO merges packets like the frame at `c`: of TCP, or of another tunnel. */
static __always_inline int gro_merges(struct cursor c)
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
        return proto == IPPROTO_TCP || proto == IPPROTO_GRE || proto == IPPROTO_IPIP ||
               proto == IPPROTO_IPV6;
    udp = take(&c, sizeof(*udp));
    return udp && is_tunnel_port(udp->dest);
}

/* Whether the packet, with the inner frame at `c`, is of such a flow; remembers a flow that is. */
static __always_inline int flow_uses_gro(const struct __sk_buff *skb, const struct cursor *c,
                                         const struct outer *o, __u64 now)
{
    __u32 at = (o->src.word[3] ^ o->src.word[3] >> 16 ^ o->sport) & (XV_GRO_FLOWS - 1);
    __u32 *last = bpf_map_lookup_elem(&gro_flows, &at);

    if (!skb->gso_size && !(skb->len > XV_GRO_SIZE_MIN && gro_merges(*c)))
        return last && *last && xv_since(now, *last) < XV_GRO_FLOW_LIFE;
    if (last && *last != (xv_stamp(now) | 1))
        *last = xv_stamp(now) | 1; /* 0 means never */
    return 1;
}

#endif
