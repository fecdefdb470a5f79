/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `--accept known`, where the kernel's device would otherwise decide: it must not learn from
 * packets of VTEPs that nobody named, nor send to them. source_mac.h checks all other packets.
 */
#ifndef XVTEP_BPF_STRANGER_H
#define XVTEP_BPF_STRANGER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/parse_inner.h"
#include "bpf/parse_outer.h"
#include "bpf/remote.h"
#include "bpf/vtep.h"

/* Whether the VTEP neither takes packets from this address nor sends any there. */
static __always_inline int is_stranger(const struct xv_vtep *vtep, const struct xv_addr *addr,
                                       __u64 now)
{
    struct xv_remote *remote;

    if (!(vtep->flags & XV_VTEP_ACCEPT_KNOWN))
        return 0;
    remote = remote_of_sender(vtep, addr);
    return !remote || !xv_remote_is_known(remote, now);
}

/* The offset of the UDP header, behind options or extension headers; 0: not there. */
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
             next != IPPROTO_FRAGMENT) ||
            bpf_skb_load_bytes(skb, at, header, sizeof(header)) ||
            (next == IPPROTO_FRAGMENT && (header[2] || header[3] & 0xf8))) /* not the first one */
            return 0;
        at += next == IPPROTO_FRAGMENT ? 8 : (header[1] + 1) * 8;
        next = header[0];
    }
    return next == IPPROTO_UDP ? at : 0;
}

/*
 * Whether a fragment, or a packet with options, is of a stranger. Returns the slot of the VTEP, or
 * 0. Of fragments only the first can tell; without it the others are never put together.
 */
XV_STEP int stranger_to(struct __sk_buff *skb)
{
    struct {
        struct udphdr udp;
        struct xv_vxlan_header vxlan;
    } h;
    struct xv_vtep *vtep;
    struct xv_addr from;
    __u32 at = find_udp(skb, &from);

    if (!at || bpf_skb_load_bytes(skb, at, &h, sizeof(h)) || !port_is_ours(h.udp.dest))
        return 0;
    vtep = vtep_by_vni_rarely(bpf_ntohl(h.vxlan.vni) >> 8, h.udp.dest);
    return vtep && is_stranger(vtep, &from, bpf_ktime_get_coarse_ns()) ? vtep->slot : 0;
}

#endif
