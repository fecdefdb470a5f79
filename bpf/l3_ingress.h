/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ingress of an underlay port whose packets have no Ethernet header (tun, WireGuard, IP tunnels). A
 * packet that the next steps look at gets one, and then all is as at an Ethernet port. If it goes
 * on to the stack, the kernel takes that header for the packet's own, and skips it.
 */
#ifndef XVTEP_BPF_L3_INGRESS_H
#define XVTEP_BPF_L3_INGRESS_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/common.h"
#include "bpf/cursor.h"
#include "bpf/parse_outer.h"
#include "bpf/skb.h"

/* Whether the header behind IP, of type `proto`, may be of interest: XV_CONTINUE, or a reason. */
static __always_inline int is_l4_ours(struct cursor *c, __u8 proto)
{
    struct udphdr *udp;

    if (proto == IPPROTO_TCP || proto == IPPROTO_ESP)
        return XV_NOT_UDP;
    if (proto != IPPROTO_UDP)
        return XV_CONTINUE; /* ICMP errors, extension headers */
    udp = take(c, sizeof(*udp));
    if (!udp)
        return XV_BAD_LENGTH;
    return port_is_ours(udp->dest) ? XV_CONTINUE : XV_OTHER_PORT;
}

/* Most of what is not VXLAN stays as it is. XV_CONTINUE, or why the packet is not for us. */
static __always_inline int is_l3_ours(struct cursor c, __be16 proto)
{
    if (proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || ip->version != 4)
            return XV_BAD_LENGTH;
        if (ip->ihl != 5 || ip->frag_off & bpf_htons(XV_IP_FRAGMENT))
            return ip->protocol == IPPROTO_UDP ? XV_CONTINUE : XV_NOT_UDP;
        return is_l4_ours(&c, ip->protocol);
    }
    if (proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip || ip->version != 6)
            return XV_BAD_LENGTH;
        return is_l4_ours(&c, ip->nexthdr);
    }
    return XV_NOT_IP;
}

/*
 * Where the kernel has noted the L3 header to be: ETH_HLEN, 0, or -1: elsewhere. A packet out of
 * IPsec (an xfrm or vti device) has the Ethernet header that its outer packet came with.
 */
static __always_inline int l3_offset(struct __sk_buff *skb)
{
    __u32 noted[5], at[5]; /* of an IPv4 header, or half of an IPv6 one */

    if (bpf_skb_load_bytes_relative(skb, 0, noted, sizeof(noted), BPF_HDR_START_NET))
        return -1;
    for (int offset = 0; offset <= ETH_HLEN; offset += ETH_HLEN) {
        __u32 differs = 0;

        if (bpf_skb_load_bytes(skb, offset, at, sizeof(at)))
            return -1;
        for (int i = 0; i < 5; i++)
            differs |= noted[i] ^ at[i];
        if (!differs)
            return offset;
    }
    return -1;
}

/*
 * Gives the packet an Ethernet header, if it may be of interest. Returns XV_CONTINUE, or why it is
 * not; it is untouched then.
 */
XV_STEP int l3_to_frame(struct __sk_buff *skb)
{
    struct ethhdr eth = {.h_proto = skb->protocol};
    int reason, offset;

    if (skb->vlan_present)
        return XV_NOT_IP;
    offset = l3_offset(skb);
    if (offset == ETH_HLEN)
        return XV_CONTINUE;
    if (offset < 0)
        return XV_NOT_IP;
    reason = is_l3_ours(skb_pull(skb, XV_LINEAR), skb->protocol);
    if (reason != XV_CONTINUE)
        return reason;
    if (bpf_skb_change_head(skb, sizeof(eth), 0))
        return XV_NOT_IP;
    return bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ? XV_REWRITE_FAILED : XV_CONTINUE;
}

#endif
