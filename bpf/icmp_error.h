/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP errors to the sender of a frame that is larger than the path: "fragmentation needed" and
 * "packet too big". They seem to come from the frame's destination, as those of the kernel's
 * skb_tunnel_check_pmtu(), so that they work across a bridge and without a default entry.
 */
#ifndef XVTEP_BPF_ICMP_ERROR_H
#define XVTEP_BPF_ICMP_ERROR_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/abi/tables.h"
#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/csum.h"
#include "bpf/icmp.h"
#include "bpf/parse_inner.h"
#include "bpf/skb_sum.h"

#define XV_ICMP_V4 (sizeof(struct iphdr) + sizeof(struct icmp))
#define XV_ICMP_V6 (sizeof(struct ipv6hdr) + sizeof(struct icmp))
#define XV_EXTENSIONS_ANSWERED 16 /* IPv6 extension headers of a packet that is answered */
#define XV_IPV6_FRAGMENT 0xfff8   /* the offset in the third and fourth byte of its header */

/* The result of turning a frame into an ICMP error to its sender. */
enum icmp_error {
    ICMP_ERROR_MADE,   /* the frame is now the error */
    ICMP_ERROR_NONE,   /* no error may be sent; the frame is as it was */
    ICMP_ERROR_BROKEN, /* the frame is spoilt */
};

/* Whether an ICMP message is an error, about which no error may be sent (RFC 1122 3.2.2). */
static __always_inline int icmp_is_error(__u8 type)
{
    return type == XV_ICMP_UNREACHABLE || type == XV_ICMP_SOURCE_QUENCH ||
           type == XV_ICMP_REDIRECT || type == XV_ICMP_TIME_EXCEEDED ||
           type == XV_ICMP_PARAMETER_PROBLEM;
}

/*
 * Adds the sum of the `keep` quoted bytes behind the L2 header, as they will be sent. An offload
 * may still have to fill in the checksum of TCP or UDP, which then holds the sum of the
 * pseudo-header, `seed`: the sum of the L4 part will be the complement of that. Returns 0, or -1.
 */
static __always_inline int quoted_sum(struct __sk_buff *skb, const struct inner *in, __u64 seed,
                                      __u32 keep, __u64 *total)
{
    __u32 end = ETH_HLEN + keep;
    __u32 at = in->l4_offset + (in->l4_proto == IPPROTO_TCP ? 16 : 6);
    __u16 check;

    if (in->l4_offset && (in->l4_proto == IPPROTO_TCP || in->l4_proto == IPPROTO_UDP) &&
        !bpf_skb_load_bytes(skb, at, &check, sizeof(check)) && check == csum_fold(seed)) {
        end = in->l4_offset;
        *total += (__u16)~check;
    }
    return skb_sum(skb, ETH_HLEN, end, total);
}

/*
 * Whether an ICMPv6 error may answer the packet, by its further headers: not a fragment other than
 * the first, another error, a redirect, or a packet with broken or without further headers, as
 * iptunnel_pmtud_check_icmpv6() means it. That one looks for the headers 14 bytes too early.
 */
XV_STEP int icmpv6_may_answer(struct __sk_buff *skb, __u32 next)
{
    __u32 at = ETH_HLEN + sizeof(struct ipv6hdr);
    __be16 words[4];
    __u8 *bytes = (__u8 *)words;

    for (int n = 0; n < XV_EXTENSIONS_ANSWERED; n++) {
        if (next == IPPROTO_NONE)
            return 0;
        if (!is_extension(next) && next != IPPROTO_FRAGMENT && next != IPPROTO_AH)
            return next != IPPROTO_ICMPV6 ||
                   (!bpf_skb_load_bytes(skb, at, bytes, 1) && bytes[0] >= XV_ICMPV6_INFORMATIONAL &&
                    bytes[0] != XV_ICMPV6_REDIRECT);
        if (bpf_skb_load_bytes(skb, at, words, 8))
            return 0;
        if (next == IPPROTO_FRAGMENT) {
            if (words[1] & bpf_htons(XV_IPV6_FRAGMENT))
                return 0;
            at += 8;
        } else {
            at += next == IPPROTO_AH ? (bytes[1] + 2) * 4 : (bytes[1] + 1) * 8;
        }
        next = bytes[0];
    }
    return 0;
}

struct icmp_v4_headers {
    __u16 align;
    struct ethhdr eth;
    struct iphdr ip;
    struct icmp icmp;
};

struct icmp_v6_headers {
    __u16 align;
    struct ethhdr eth;
    struct ipv6hdr ip;
    struct icmp icmp;
};

static __always_inline enum icmp_error too_big_v4(struct __sk_buff *skb, const struct inner *in,
                                                  __u32 inner_mtu)
{
    __u32 size = skb->len - ETH_HLEN, keep = XV_MTU_MIN_V4 - XV_ICMP_V4;
    struct icmp_v4_headers h = {};
    struct xv_addr from, to;
    struct ethhdr eth;
    struct iphdr ip;
    __u64 sum = 0, seed;
    __u8 type;

    if (inner_mtu < XV_MTU_MIN_V4 || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.frag_off != bpf_htons(XV_IP_DF))
        return ICMP_ERROR_NONE;
    /* No error goes to a sender without a valid address, or about another error. */
    addr_from_v4(&from, ip.saddr);
    addr_from_v4(&to, ip.daddr);
    if (addr_is_martian(&from) || addr_is_multicast(&to) || ip.daddr == ~0U)
        return ICMP_ERROR_NONE;
    if (ip.protocol == IPPROTO_ICMP &&
        (bpf_skb_load_bytes(skb, ETH_HLEN + ip.ihl * 4, &type, 1) || icmp_is_error(type)))
        return ICMP_ERROR_NONE;
    if (keep > size)
        keep = size;
    seed = pseudo_sum(&ip.saddr, 8, size - ip.ihl * 4, ip.protocol);
    if (keep < size && bpf_skb_change_tail(skb, ETH_HLEN + keep, 0))
        return ICMP_ERROR_NONE;

    h.icmp.type = XV_ICMP_UNREACHABLE;
    h.icmp.code = XV_ICMP_FRAG_NEEDED;
    h.icmp.mtu = bpf_htons(inner_mtu);
    sum = (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.icmp, sizeof(h.icmp), 0);
    if (quoted_sum(skb, in, seed, keep, &sum))
        return ICMP_ERROR_BROKEN;
    h.icmp.checksum = ~csum_fold(sum);
    __builtin_memcpy(h.eth.h_dest, eth.h_source, 6);
    __builtin_memcpy(h.eth.h_source, eth.h_dest, 6);
    h.eth.h_proto = eth.h_proto;
    h.ip.version = 4;
    h.ip.ihl = 5;
    h.ip.tot_len = bpf_htons(XV_ICMP_V4 + keep);
    h.ip.id = bpf_get_prandom_u32();
    h.ip.frag_off = bpf_htons(XV_IP_DF);
    h.ip.ttl = ip.ttl;
    h.ip.protocol = IPPROTO_ICMP;
    h.ip.saddr = ip.daddr;
    h.ip.daddr = ip.saddr;
    h.ip.check = ~csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.ip, sizeof(h.ip), 0));
    return bpf_skb_change_head(skb, XV_ICMP_V4, 0) ||
                   bpf_skb_store_bytes(skb, 0, &h.eth, ETH_HLEN + XV_ICMP_V4, 0)
               ? ICMP_ERROR_BROKEN
               : ICMP_ERROR_MADE;
}

static __always_inline enum icmp_error too_big_v6(struct __sk_buff *skb, const struct inner *in,
                                                  __u32 inner_mtu)
{
    __u32 size = skb->len - ETH_HLEN, keep = XV_MTU_MIN_V6 - XV_ICMP_V6;
    struct icmp_v6_headers h = {};
    struct xv_addr from;
    struct ipv6hdr ip;
    struct ethhdr eth;
    __u64 sum = 0, seed;

    if (inner_mtu < XV_MTU_MIN_V6 || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
        return ICMP_ERROR_NONE;
    addr_from_v6(&from, ip.saddr.in6_u.u6_addr32);
    if (addr_is_multicast(&from) || !(from.word[0] | from.word[1] | from.word[2]))
        return ICMP_ERROR_NONE;
    if (!icmpv6_may_answer(skb, ip.nexthdr))
        return ICMP_ERROR_NONE;
    if (keep > size)
        keep = size;
    seed = pseudo_sum(&ip.saddr, 32, size - sizeof(ip), ip.nexthdr);
    if (keep < size && bpf_skb_change_tail(skb, ETH_HLEN + keep, 0))
        return ICMP_ERROR_NONE;

    h.ip.version = 6;
    h.ip.payload_len = bpf_htons(sizeof(h.icmp) + keep);
    h.ip.nexthdr = IPPROTO_ICMPV6;
    h.ip.hop_limit = ip.hop_limit;
    h.ip.saddr = ip.daddr;
    h.ip.daddr = ip.saddr;
    h.icmp.type = XV_ICMPV6_TOO_BIG;
    h.icmp.mtu = bpf_htons(inner_mtu);
    sum = pseudo_sum(&h.ip.saddr, 32, sizeof(h.icmp) + keep, IPPROTO_ICMPV6);
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.icmp, sizeof(h.icmp), 0);
    if (quoted_sum(skb, in, seed, keep, &sum))
        return ICMP_ERROR_BROKEN;
    h.icmp.checksum = ~csum_fold(sum);
    __builtin_memcpy(h.eth.h_dest, eth.h_source, 6);
    __builtin_memcpy(h.eth.h_source, eth.h_dest, 6);
    h.eth.h_proto = eth.h_proto;
    return bpf_skb_change_head(skb, XV_ICMP_V6, 0) ||
                   bpf_skb_store_bytes(skb, 0, &h.eth, ETH_HLEN + XV_ICMP_V6, 0)
               ? ICMP_ERROR_BROKEN
               : ICMP_ERROR_MADE;
}

/* Turns the frame into the error. `inner_mtu`: the largest L3 packet that would fit. */
XV_STEP enum icmp_error too_big(struct __sk_buff *skb, const struct inner *in, __u32 inner_mtu)
{
    if (!in || in->l3_offset != ETH_HLEN) /* a tag in the packet: the kernel's device sends none */
        return ICMP_ERROR_NONE;
    if (in->l3_proto == bpf_htons(ETH_P_IP))
        return too_big_v4(skb, in, inner_mtu);
    if (in->l3_proto == bpf_htons(ETH_P_IPV6))
        return too_big_v6(skb, in, inner_mtu);
    return ICMP_ERROR_NONE;
}

#endif
