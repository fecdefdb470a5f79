/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets larger than the path. The sender is told, by ICMP that seems to come from its
 * destination, as skb_tunnel_check_pmtu() does it: across a bridge, and without a default entry.
 *
 * Routers on the underlay tell us of smaller paths by ICMP about our own outer packets:
 * tc_underlay_ingress lets it pass, to the stack, and remembers.
 */
#ifndef XVTEP_BPF_PMTU_H
#define XVTEP_BPF_PMTU_H

#include "bpf/tc.h"

#define XV_PMTU_LIFE (600 * XV_SECOND) /* net.ipv4.route.mtu_expires */
#define XV_MTU_LEAST_V4 576
#define XV_MTU_LEAST_V6 1280
#define XV_ICMP_V4 (sizeof(struct iphdr) + 8)
#define XV_ICMP_V6 (sizeof(struct ipv6hdr) + 8)

#define XV_ICMP_UNREACHABLE 3
#define XV_ICMP_FRAG_NEEDED 4
#define XV_ICMPV6_TOO_BIG 2

struct icmp { /* linux/icmp.h brings libc in */
    __u8 type, code;
    __u16 checksum;
    __be16 unused, mtu; /* ICMPv6: one number */
};

static __always_inline int icmp_is_error(__u8 type)
{
    return type == XV_ICMP_UNREACHABLE || type == 4 || type == 5 || type == 11 || type == 12;
}

/*
 * Sum of the `keep` bytes behind the L2 header, as it will be once an offload has filled in the
 * checksum it may have been left: TCP or UDP then hold the pseudo-header's sum, and what they sum
 * up to once it is filled in is that sum's complement.
 */
static __always_inline int quoted_sum(struct __sk_buff *skb, const struct inner *in, __u64 seed,
                                      __u32 keep, __u64 *total)
{
    struct sum_loop loop = {.skb = skb, .at = ETH_HLEN, .end = ETH_HLEN + keep};
    __u32 at = in->l4_offset + (in->l4_proto == IPPROTO_TCP ? 16 : 6);
    __u16 check;

    if (in->l4_offset && (in->l4_proto == IPPROTO_TCP || in->l4_proto == IPPROTO_UDP) &&
        !bpf_skb_load_bytes(skb, at, &check, sizeof(check)) && check == csum_fold(seed)) {
        loop.end = in->l4_offset;
        *total += (__u16)~check;
    }
    bpf_loop(65536 / XV_SUM_CHUNK, sum_chunk, &loop, 0);
    if (loop.at != loop.end)
        return -1;
    *total += loop.sum;
    return 0;
}

/*
 * `room`: what the frame's L3 packet may have. 1: the frame is now the ICMP error; 0: its sender
 * cannot be told; -1: it is spoilt.
 */
static __always_inline int too_big_v4(struct __sk_buff *skb, const struct inner *in, __u32 room)
{
    __u32 size = skb->len - ETH_HLEN, keep = XV_MTU_LEAST_V4 - XV_ICMP_V4;
    struct {
        __u16 align;
        struct ethhdr eth;
        struct iphdr ip;
        struct icmp icmp;
    } h = {};
    struct xv_addr from, to;
    struct ethhdr eth;
    struct iphdr ip;
    __u64 sum = 0, seed;
    __u8 type;

    if (room < XV_MTU_LEAST_V4 || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.frag_off != bpf_htons(0x4000))
        return 0;
    /* Not about what has no sender to tell, nor about errors (RFC 1122 3.2.2). */
    addr_from_v4(&from, ip.saddr);
    addr_from_v4(&to, ip.daddr);
    if (addr_is_martian(&from) || addr_is_multicast(&to) || ip.daddr == ~0U)
        return 0;
    if (ip.protocol == IPPROTO_ICMP &&
        (bpf_skb_load_bytes(skb, ETH_HLEN + ip.ihl * 4, &type, 1) || icmp_is_error(type)))
        return 0;
    if (keep > size)
        keep = size;
    seed = pseudo_sum(&ip.saddr, 8, size - ip.ihl * 4, ip.protocol);
    if (keep < size && bpf_skb_change_tail(skb, ETH_HLEN + keep, 0))
        return 0;

    h.icmp.type = XV_ICMP_UNREACHABLE;
    h.icmp.code = XV_ICMP_FRAG_NEEDED;
    h.icmp.mtu = bpf_htons(room);
    sum = (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.icmp, sizeof(h.icmp), 0);
    if (quoted_sum(skb, in, seed, keep, &sum))
        return -1;
    h.icmp.checksum = ~csum_fold(sum);
    __builtin_memcpy(h.eth.h_dest, eth.h_source, 6);
    __builtin_memcpy(h.eth.h_source, eth.h_dest, 6);
    h.eth.h_proto = eth.h_proto;
    h.ip.version = 4;
    h.ip.ihl = 5;
    h.ip.tot_len = bpf_htons(XV_ICMP_V4 + keep);
    h.ip.id = bpf_get_prandom_u32();
    h.ip.frag_off = bpf_htons(0x4000);
    h.ip.ttl = ip.ttl;
    h.ip.protocol = IPPROTO_ICMP;
    h.ip.saddr = ip.daddr;
    h.ip.daddr = ip.saddr;
    h.ip.check = ~csum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.ip, sizeof(h.ip), 0));
    return bpf_skb_change_head(skb, XV_ICMP_V4, 0) ||
                   bpf_skb_store_bytes(skb, 0, &h.eth, ETH_HLEN + XV_ICMP_V4, 0)
               ? -1
               : 1;
}

static __always_inline int too_big_v6(struct __sk_buff *skb, const struct inner *in, __u32 room)
{
    __u32 size = skb->len - ETH_HLEN, keep = XV_MTU_LEAST_V6 - XV_ICMP_V6;
    struct {
        __u16 align;
        struct ethhdr eth;
        struct ipv6hdr ip;
        struct icmp icmp;
    } h = {};
    struct xv_addr from, to;
    struct ipv6hdr ip;
    struct ethhdr eth;
    __u64 sum = 0, seed;
    __u8 type;

    if (room < XV_MTU_LEAST_V6 || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
        return 0;
    addr_from_v6(&from, ip.saddr.in6_u.u6_addr32);
    addr_from_v6(&to, ip.daddr.in6_u.u6_addr32);
    if (addr_is_multicast(&from) || addr_is_multicast(&to) ||
        !(from.word[0] | from.word[1] | from.word[2]))
        return 0;
    if (ip.nexthdr == IPPROTO_ICMPV6 &&
        (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip), &type, 1) || type < 128))
        return 0;
    if (keep > size)
        keep = size;
    seed = pseudo_sum(&ip.saddr, 32, size - sizeof(ip), ip.nexthdr);
    if (keep < size && bpf_skb_change_tail(skb, ETH_HLEN + keep, 0))
        return 0;

    h.ip.version = 6;
    h.ip.payload_len = bpf_htons(sizeof(h.icmp) + keep);
    h.ip.nexthdr = IPPROTO_ICMPV6;
    h.ip.hop_limit = ip.hop_limit;
    h.ip.saddr = ip.daddr;
    h.ip.daddr = ip.saddr;
    h.icmp.type = XV_ICMPV6_TOO_BIG;
    h.icmp.mtu = bpf_htons(room);
    sum = pseudo_sum(&h.ip.saddr, 32, sizeof(h.icmp) + keep, IPPROTO_ICMPV6);
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&h.icmp, sizeof(h.icmp), 0);
    if (quoted_sum(skb, in, seed, keep, &sum))
        return -1;
    h.icmp.checksum = ~csum_fold(sum);
    __builtin_memcpy(h.eth.h_dest, eth.h_source, 6);
    __builtin_memcpy(h.eth.h_source, eth.h_dest, 6);
    h.eth.h_proto = eth.h_proto;
    return bpf_skb_change_head(skb, XV_ICMP_V6, 0) ||
                   bpf_skb_store_bytes(skb, 0, &h.eth, ETH_HLEN + XV_ICMP_V6, 0)
               ? -1
               : 1;
}

/* A path MTU that a router told us, or 0. */
static __always_inline __u32 pmtu_of(const struct xv_addr *addr, __u64 now)
{
    struct xv_addr key = *addr;
    struct xv_pmtu *pmtu = bpf_map_lookup_elem(&pmtus, &key);

    return pmtu && now < pmtu->expires ? pmtu->mtu : 0;
}

/* A router's word to `told` on a packet from `from` to `to`: if that was ours, it is kept. */
static __always_inline void pmtu_learn(const struct xv_addr *told, const struct xv_addr *from,
                                       const struct xv_addr *to, const struct udphdr *udp,
                                       const struct xv_vxlan_header *vxlan, __u32 mtu, __u64 now)
{
    struct xv_pmtu fresh = {.expires = now + XV_PMTU_LIFE, .mtu = mtu};
    __u32 known = pmtu_of(to, now);

    if ((known && known <= mtu) || !addr_equal(told, from) ||
        !bpf_map_lookup_elem(&local_addrs, from) || !port_is_ours(udp->dest) ||
        !vtep_by_vni(bpf_ntohl(vxlan->vni) >> 8, udp->dest)) /* vxlan_err_lookup() */
        return;
    bpf_map_update_elem(&pmtus, to, &fresh, BPF_ANY); /* in use within XV_NEXTHOP_LIFE */
}

/* A packet from the underlay that is not UDP. */
XV_STEP int pmtu_snoop(struct __sk_buff *skb, __u64 now)
{
    struct cursor c = tc_linear(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct xv_vxlan_header *vxlan;
    struct xv_addr told, from, to;
    struct udphdr *udp;

    if (!eth)
        return 0;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip)), *quoted;
        struct icmp *icmp = take(&c, sizeof(*icmp));

        if (!ip || !icmp || ip->protocol != IPPROTO_ICMP || ip->ihl != 5 ||
            ip->frag_off & bpf_htons(XV_IP_FRAGMENT) || icmp->type != XV_ICMP_UNREACHABLE ||
            icmp->code != XV_ICMP_FRAG_NEEDED)
            return 0;
        quoted = take(&c, sizeof(*quoted));
        udp = take(&c, sizeof(*udp));
        vxlan = take(&c, sizeof(*vxlan));
        if (!quoted || !udp || !vxlan || quoted->ihl != 5 || quoted->protocol != IPPROTO_UDP ||
            bpf_ntohs(icmp->mtu) < XV_MTU_LEAST_V4 + XV_OUTER_V4)
            return 0; /* smaller, and no sender could be told */
        addr_from_v4(&told, ip->daddr);
        addr_from_v4(&from, quoted->saddr);
        addr_from_v4(&to, quoted->daddr);
        pmtu_learn(&told, &from, &to, udp, vxlan, bpf_ntohs(icmp->mtu), now);
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip)), *quoted;
        struct icmp *icmp = take(&c, sizeof(*icmp));

        if (!ip || !icmp || ip->nexthdr != IPPROTO_ICMPV6 || icmp->type != XV_ICMPV6_TOO_BIG)
            return 0;
        quoted = take(&c, sizeof(*quoted));
        udp = take(&c, sizeof(*udp));
        vxlan = take(&c, sizeof(*vxlan));
        if (!quoted || !udp || !vxlan || quoted->nexthdr != IPPROTO_UDP || icmp->unused ||
            bpf_ntohs(icmp->mtu) < XV_MTU_LEAST_V6)
            return 0;
        addr_from_v6(&told, ip->daddr.in6_u.u6_addr32);
        addr_from_v6(&from, quoted->saddr.in6_u.u6_addr32);
        addr_from_v6(&to, quoted->daddr.in6_u.u6_addr32);
        pmtu_learn(&told, &from, &to, udp, vxlan, bpf_ntohs(icmp->mtu), now);
    }
    return 0;
}

XV_STEP int too_big(struct __sk_buff *skb, const struct inner *in, __u32 room)
{
    if (!in || in->l3_offset != ETH_HLEN) /* a tag in the packet, as with the kernel's device */
        return 0;
    if (in->l3_proto == bpf_htons(ETH_P_IP))
        return too_big_v4(skb, in, room);
    return in->l3_proto == bpf_htons(ETH_P_IPV6) ? too_big_v6(skb, in, room) : 0;
}

#endif
