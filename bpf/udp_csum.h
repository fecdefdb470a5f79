/* SPDX-License-Identifier: GPL-2.0-only */
/* The outer UDP checksum, which covers all of the packet. */
#ifndef XVTEP_BPF_UDP_CSUM_H
#define XVTEP_BPF_UDP_CSUM_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/common.h"
#include "bpf/csum.h"
#include "bpf/cursor.h"
#include "bpf/parse_inner.h"
#include "bpf/skb.h"
#include "bpf/skb_sum.h"
#include "bpf/vlan.h"

/*
 * Whether a checksum deeper inside the packet may be left to an offload, so that the bytes must not
 * be summed here. The skb of a tunnel inside is then marked as encapsulated, and
 * bpf_skb_change_tail() refuses such an skb.
 */
static __always_inline int has_inner_checksums(struct __sk_buff *skb, const struct inner *in)
{
    if (in->extended) /* MLD: as with IGMP */
        return 1;
    switch (in->l4_proto) {
    case IPPROTO_SCTP: /* has a CRC with an offload of its own */
        return 1;
    case IPPROTO_IGMP:
        /*
         * A bridge's snooping leaves a sum of the whole packet in the skb. It outlives the tunnel
         * on a virtual wire and is wrong there.
         */
        return 1;
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
    case IPPROTO_GRE:
    case IPPROTO_UDP: /* comes here without a checksum of its own */
        return bpf_skb_change_tail(skb, skb->len, 0) != 0;
    }
    return 0;
}

/*
 * Adds the sum of a TCP or UDP packet that has a checksum: it follows from the pseudo-header alone,
 * whether the checksum is filled in already or left to an offload (the kernel's lco_csum()).
 * Returns 0 if the packet is another one.
 */
static __always_inline int lco_sum(struct __sk_buff *skb, const struct inner *in, __u64 *total)
{
    __u32 l3_size = skb->len - in->l3_offset, l4_size = skb->len - in->l4_offset;
    struct cursor c = skb_cursor(skb);
    __u16 check;

    if ((in->l4_proto != IPPROTO_TCP && in->l4_proto != IPPROTO_UDP) || !in->l4_offset ||
        in->extended)
        return 0;
    c.at += in->l3_offset == ETH_HLEN                 ? ETH_HLEN
            : in->l3_offset == ETH_HLEN + XV_TAG_SIZE ? ETH_HLEN + XV_TAG_SIZE
                                                      : XV_TAGGED_SIZE;
    if (in->l4_proto == IPPROTO_UDP &&
        (bpf_skb_load_bytes(skb, in->l4_offset + 6, &check, sizeof(check)) || !check))
        return 0;
    if (in->l3_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip || bpf_ntohs(ip->tot_len) != l3_size)
            return 0;
        __be32 addresses[2] = {ip->saddr, ip->daddr};

        *total += (__u16)~csum_fold(pseudo_sum(addresses, sizeof(addresses), l4_size,
                                               in->l4_proto)); /* the header's own sum is 0 */
    } else {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip || bpf_ntohs(ip->payload_len) + sizeof(*ip) != l3_size)
            return 0;
        struct ipv6hdr copy = *ip;

        *total += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&copy, sizeof(copy), 0);
        *total += (__u16)~csum_fold(pseudo_sum(&copy.saddr, 32, l4_size, in->l4_proto));
    }
    return 1;
}

/* Adds the sum of the frame from byte `from` on, where pop_vlans() will leave the L3 header. */
static __always_inline int skb_payload_sum(struct __sk_buff *skb, const struct inner *in,
                                           __u32 from, __u64 *total)
{
    __be32 tags[2] = {};

    if (lco_sum(skb, in, total)) {
        long failed = 0;

        if (in->l3_offset - from == sizeof(tags[0]))
            failed = bpf_skb_load_bytes(skb, from, tags, sizeof(tags[0]));
        else if (in->l3_offset != from)
            failed = bpf_skb_load_bytes(skb, from, tags, sizeof(tags));
        *total += (__u32)bpf_csum_diff(NULL, 0, tags, sizeof(tags), 0);
        return failed ? XV_REWRITE_FAILED : XV_CONTINUE;
    }
    if (has_inner_checksums(skb, in))
        return XV_KERNEL_PATH;
    return skb_sum(skb, from, skb->len, total) ? XV_REWRITE_FAILED : XV_CONTINUE;
}

/*
 * The checksum over pseudo-header, UDP and VXLAN header (from `udp` on), L2 header, and the rest of
 * the frame, whose sum is `sum`.
 */
static __noinline __u16 udp_csum(const void *addresses, __u32 addresses_size,
                                 const struct udphdr *udp, const struct l2 *l2, __u64 sum)
{
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)udp, sizeof(*udp) + 8, 0);
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)l2->bytes, sizeof(l2->bytes), 0);
    sum += pseudo_sum(addresses, addresses_size, bpf_ntohs(udp->len), IPPROTO_UDP);
    return csum_finish(sum);
}

#endif
