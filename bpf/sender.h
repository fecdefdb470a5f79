/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who sent a packet that the kernel's device decapsulates (GSO packets, fragments, options, MACs
 * to learn). The outer header is gone when the frame arrives at the VTEP's device, where it is
 * admitted and its source learned; so the packet carries a reference to the sender.
 *
 *   tc_underlay: senders[place] = outer source; tc_index = XV_SENDER | place
 *   the kernel:  reassembly, checks, decapsulation; its device learns the same MAC
 *   tc_arrived:  admit(), fdb_learn() with senders[place]
 */
#ifndef XVTEP_BPF_SENDER_H
#define XVTEP_BPF_SENDER_H

#include "bpf/marks.h"
#include "bpf/tc.h"

#define XV_SENDER_WAYS 4

/* Its place in `senders`: the one it has, a free one, or another's, which is then forgotten. */
static __always_inline __u32 sender_place(const struct xv_addr *addr)
{
    __u32 first = xv_address_mix(addr) * 0x9e3779b97f4a7c15ULL >> 40 & (XV_SENDERS - 1);

    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 place = first ^ n;
        struct xv_addr *at = bpf_map_lookup_elem(&senders, &place);

        if (!at)
            return first;
        if (addr_equal(at, addr))
            return place;
        if (!(at->word[2] | at->word[3])) {
            *at = *addr;
            return place;
        }
    }
    bpf_map_update_elem(&senders, &first, addr, BPF_ANY);
    return first;
}

static __always_inline struct xv_addr *sender_of_mark(__u32 mark)
{
    __u32 place = mark & (XV_SENDERS - 1);
    struct xv_addr *addr;

    if ((mark & XV_MARK_KIND) != XV_SENDER)
        return NULL;
    addr = bpf_map_lookup_elem(&senders, &place);
    return addr && (addr->word[2] | addr->word[3]) ? addr : NULL;
}

/* A packet from the underlay is left to the kernel: its sender goes with it. */
XV_STEP int sender_note(struct __sk_buff *skb)
{
    struct cursor c = tc_linear(skb, ETH_HLEN + sizeof(struct ipv6hdr));
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct xv_addr from;

    if (!eth)
        return 0;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return 0;
        addr_from_v4(&from, ip->saddr);
    } else {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return 0;
        addr_from_v6(&from, ip->saddr.in6_u.u6_addr32);
    }
    skb->tc_index = XV_SENDER | sender_place(&from);
    return 0;
}

#endif
