/* SPDX-License-Identifier: GPL-2.0-only */
/* VLAN tags of a packet in TC programs, and skb->protocol, which goes with them. */
#ifndef XVTEP_BPF_VLAN_H
#define XVTEP_BPF_VLAN_H

#include <linux/if_ether.h>

#include "bpf/common.h"

#define XV_TAG_SIZE 4
#define XV_TAGS_MAX 2
#define XV_TAGGED_SIZE (ETH_HLEN + XV_TAGS_MAX * XV_TAG_SIZE)

/*
 * A frame's own L2 header with its tags. The kernel keeps the first tag in skb metadata; popping it
 * there moves the next tag from the packet into the metadata.
 */
struct l2 {
    __u8 bytes[XV_TAGGED_SIZE + 2]; /* followed by zeros, in whole words for bpf_csum_diff() */
    __u8 size;
    __be16 l3_proto;
};

/* Whether the packet has a tag other than a priority tag (VLAN 0), which the stack ignores too. */
static __always_inline int skb_has_vlan(struct __sk_buff *skb)
{
    return skb->vlan_present && skb->vlan_tci & 0xfff;
}

/* The VLAN that a trunk maps, or 0. A tag of 802.1ad is part of the frame. */
static __always_inline __u32 skb_trunk_vid(struct __sk_buff *skb)
{
    return skb->vlan_present && skb->vlan_proto == bpf_htons(ETH_P_8021Q) ? skb->vlan_tci & 0xfff
                                                                          : 0;
}

/*
 * Sets skb->protocol to the packet's own. bpf_redirect_neigh(), segmentation and the receiver go by
 * it, but no helper writes it when the inner IP version is not the outer one. Popping a tag that is
 * in the packet does: so push two tags (the first one moves into the packet), and pop both.
 */
static __always_inline int skb_fix_proto(struct __sk_buff *skb)
{
    return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ||
           bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) || bpf_skb_vlan_pop(skb) ||
           bpf_skb_vlan_pop(skb);
}

/* Puts the tags back that pop_vlans() took, into metadata and packet. Returns 0, or -1. */
static __always_inline int push_vlans(struct __sk_buff *skb, const struct l2 *l2)
{
    __be16 tag[2];

    if (l2->size == XV_TAGGED_SIZE) {
        __builtin_memcpy(tag, l2->bytes + 16, sizeof(tag));
        if (bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1])))
            return -1;
    }
    if (l2->size > ETH_HLEN) {
        __builtin_memcpy(tag, l2->bytes + 12, sizeof(tag));
        if (bpf_skb_vlan_push(skb, tag[0], bpf_ntohs(tag[1])))
            return -1;
    }
    return 0;
}

/*
 * Fills `l2` from the Ethernet header `seen`, and takes the tags off the packet: those in skb
 * metadata would end up outside the tunnel.
 */
static __always_inline int pop_vlans(struct __sk_buff *skb, const struct ethhdr *seen,
                                     struct l2 *l2)
{
    struct ethhdr eth;
    __be16 tag[2];

    __builtin_memset(l2, 0, sizeof(*l2));
    __builtin_memcpy(l2->bytes, seen, ETH_HLEN);
    __builtin_memcpy(&l2->l3_proto, l2->bytes + 12, 2);
    l2->size = ETH_HLEN;
    if (!skb->vlan_present)
        return XV_CONTINUE;

    tag[0] = skb->vlan_proto;
    tag[1] = bpf_htons(skb->vlan_tci);
    __builtin_memcpy(l2->bytes + 12, tag, sizeof(tag));
    l2->size += XV_TAG_SIZE;
    if (bpf_skb_vlan_pop(skb))
        return XV_REWRITE_FAILED;
    if (skb->vlan_present) {
        tag[0] = skb->vlan_proto;
        tag[1] = bpf_htons(skb->vlan_tci);
        __builtin_memcpy(l2->bytes + 16, tag, sizeof(tag));
        l2->size += XV_TAG_SIZE;
        if (bpf_skb_vlan_pop(skb))
            return XV_REWRITE_FAILED;
    }
    if (skb->vlan_present) /* a third tag */
        return push_vlans(skb, l2) ? XV_REWRITE_FAILED : XV_KERNEL_PATH;
    if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return XV_REWRITE_FAILED;
    l2->l3_proto = eth.h_proto;
    __builtin_memcpy(l2->bytes + (l2->size == XV_TAGGED_SIZE ? 20 : 16), &eth.h_proto, 2);
    return XV_CONTINUE;
}

#endif
