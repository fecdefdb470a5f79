/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the UDP header of an outer packet that the kernel's device takes, wherever it begins. */
#ifndef XVTEP_BPF_FIND_UDP_H
#define XVTEP_BPF_FIND_UDP_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/parse_inner.h"

/*
 * The offset of the UDP header, behind options or extension headers; 0: there is none, which is so
 * in all fragments but the first. Sets *from to the source of the packet.
 */
static __always_inline __u32 find_udp(struct __sk_buff *skb, struct xv_addr *from)
{
    __u32 at = ETH_HLEN + sizeof(struct ipv6hdr);
    struct ipv6hdr v6;
    struct iphdr v4;
    __u8 next;

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &v4, sizeof(v4)) || v4.protocol != IPPROTO_UDP ||
            v4.frag_off & bpf_htons(XV_IP_OFFSET))
            return 0;
        addr_from_v4(from, v4.saddr);
        return ETH_HLEN + v4.ihl * 4;
    }
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &v6, sizeof(v6)))
        return 0;
    addr_from_v6(from, v6.saddr.in6_u.u6_addr32);
    next = v6.nexthdr;
    for (int i = 0; i < XV_EXTENSIONS_MAX; i++) {
        __u8 header[4];

        if (next == IPPROTO_UDP)
            return at;
        if ((next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
             next != IPPROTO_FRAGMENT && next != IPPROTO_AH) ||
            bpf_skb_load_bytes(skb, at, header, sizeof(header)) ||
            (next == IPPROTO_FRAGMENT && (header[2] || header[3] & 0xf8))) /* not the first one */
            return 0;
        if (next == IPPROTO_AH)
            at += (header[1] + 2) * 4;
        else
            at += next == IPPROTO_FRAGMENT ? 8 : (header[1] + 1) * 8;
        next = header[0];
    }
    return next == IPPROTO_UDP ? at : 0;
}

#endif
