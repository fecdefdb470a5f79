/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `proxy`: answers ARP requests and neighbour solicitations from the neighbour table, as the
 * kernel's arp_reduce() and neigh_reduce().
 */
#ifndef XVTEP_BPF_PROXY_H
#define XVTEP_BPF_PROXY_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ipv6.h>

#include "bpf/addr.h"
#include "bpf/answer.h"
#include "bpf/common.h"
#include "bpf/csum.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/miss.h"
#include "bpf/neigh.h"
#include "bpf/tx_ctx.h"

#define XV_ARP_REQUEST 1
#define XV_ARP_REPLY 2
#define XV_ND_SOLICITATION 135
#define XV_ND_ADVERTISEMENT 136
#define XV_ND_SOURCE_LL 1
#define XV_ND_TARGET_LL 2
#define XV_ND_OPTIONS_MAX 8 /* a solicitation's options that are looked at */

#define XV_NA_ROUTER 0x80000000u
#define XV_NA_SOLICITED 0x40000000u
#define XV_NA_OVERRIDE 0x20000000u

struct arp {
    __be16 hardware, protocol;
    __u8 hardware_size, protocol_size;
    __be16 operation;
    __u8 sender_mac[6];
    __u8 sender_ip[4];
    __u8 target_mac[6];
    __u8 target_ip[4];
};

struct nd {
    __u8 type, code;
    __u16 checksum;
    __be32 flags;
    struct in6_addr target;
};

struct advertisement {
    __u16 align;
    struct ethhdr eth;
    struct ipv6hdr ip;
    struct nd nd;
    __u8 option_type, option_size;
    __u8 option_mac[6];
};

/* A host behind a local port answers for itself. */
static __always_inline int neigh_is_local(const struct xv_fdb *entry)
{
    return entry && entry->flags & XV_FDB_LOCAL;
}

XV_STEP int proxy_arp(struct __sk_buff *skb, const struct xv_vtep *vtep, __u64 now,
                      struct xv_addr *target)
{
    struct ethhdr eth = {.h_proto = bpf_htons(ETH_P_ARP)};
    struct xv_neigh *neigh;
    struct arp arp;
    __be32 ip;

    if (!vtep || !target || bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) ||
        (arp.hardware != bpf_htons(1) && arp.hardware != bpf_htons(6)) ||
        arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_size != 6 || arp.protocol_size != 4 ||
        arp.operation != bpf_htons(XV_ARP_REQUEST))
        return XV_PROXY_SILENT;
    __builtin_memcpy(&ip, arp.target_ip, 4);
    if (arp.target_ip[0] == 127 || (arp.target_ip[0] & 0xf0) == 0xe0)
        return XV_PROXY_SILENT;
    addr_from_v4(target, ip);
    neigh = neigh_find(vtep, target, now);
    if (!neigh)
        return XV_NEIGH_MISS;
    if (neigh_is_local(fdb_find(vtep, neigh->mac, now)))
        return XV_PROXY_SILENT;

    __builtin_memcpy(eth.h_dest, arp.sender_mac, 6);
    __builtin_memcpy(eth.h_source, neigh->mac, 6);
    arp.hardware = bpf_htons(1);
    arp.operation = bpf_htons(XV_ARP_REPLY);
    __builtin_memcpy(arp.target_mac, arp.sender_mac, 6);
    __builtin_memcpy(arp.target_ip, arp.sender_ip, 4);
    __builtin_memcpy(arp.sender_mac, neigh->mac, 6);
    __builtin_memcpy(arp.sender_ip, &ip, 4);
    if (bpf_skb_change_tail(skb, ETH_HLEN + sizeof(arp), 0) || /* without the request's padding */
        bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0) ||
        bpf_skb_store_bytes(skb, ETH_HLEN, &arp, sizeof(arp), 0))
        return XV_REWRITE_FAILED;
    return XV_PROXIED;
}

struct option_loop {
    struct __sk_buff *skb;
    __u32 at;
    int broken; /* an option has size 0 or is cut short: no answer */
    __u8 mac[6];
    __u8 found;
};

static long read_option(__u32 index, void *context)
{
    struct option_loop *loop = context;
    __u8 option[8]; /* the smallest size, and that of a link-layer address */

    if (loop->at >= loop->skb->len)
        return 1;
    if (bpf_skb_load_bytes(loop->skb, loop->at, option, sizeof(option)) || !option[1]) {
        loop->broken = 1;
        return 1;
    }
    if (option[0] == XV_ND_SOURCE_LL) {
        __builtin_memcpy(loop->mac, option + 2, 6);
        loop->found = 1;
        return 1;
    }
    loop->at += option[1] * 8;
    return 0;
}

/*
 * Fills in the advertisement of `neigh` (RFC 4861 7.2.4). `is_router`: its FDB entry says so.
 * `from_none`: the solicitation has no source address.
 */
static __always_inline void build_advertisement(struct advertisement *reply,
                                                const struct ipv6hdr *ip, const struct nd *nd,
                                                const struct xv_neigh *neigh, int is_router,
                                                int from_none)
{
    __u64 sum;

    __builtin_memcpy(reply->eth.h_source, neigh->mac, 6);
    reply->eth.h_proto = bpf_htons(ETH_P_IPV6);
    reply->ip.version = 6;
    reply->ip.payload_len = bpf_htons(sizeof(*nd) + 8);
    reply->ip.nexthdr = IPPROTO_ICMPV6;
    reply->ip.hop_limit = 255;
    reply->ip.saddr = nd->target;
    reply->ip.daddr = ip->saddr;
    reply->nd.type = XV_ND_ADVERTISEMENT;
    reply->nd.flags = bpf_htonl(XV_NA_SOLICITED | XV_NA_OVERRIDE);
    if (is_router)
        reply->nd.flags |= bpf_htonl(XV_NA_ROUTER);
    if (from_none) { /* to all nodes */
        reply->ip.daddr.in6_u.u6_addr32[0] = bpf_htonl(0xff020000);
        reply->ip.daddr.in6_u.u6_addr32[3] = bpf_htonl(1);
        reply->nd.flags &= ~bpf_htonl(XV_NA_SOLICITED);
        __builtin_memcpy(reply->eth.h_dest, "\x33\x33\0\0\0\1", 6);
    }
    reply->nd.target = nd->target;
    reply->option_type = XV_ND_TARGET_LL;
    reply->option_size = 1;
    __builtin_memcpy(reply->option_mac, neigh->mac, 6);
    sum = pseudo_sum(&reply->ip.saddr, 32, sizeof(*nd) + 8, IPPROTO_ICMPV6);
    sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&reply->nd, sizeof(*nd) + 8, 0);
    reply->nd.checksum = csum_finish(sum);
}

/* Makes only those checks of RFC 4861 7.1.1 that the kernel's device makes. */
XV_STEP int proxy_nd(struct __sk_buff *skb, const struct xv_vtep *vtep, __u64 now,
                     struct xv_addr *target)
{
    struct option_loop options = {.skb = skb,
                                  .at = ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct nd),
                                  .broken = unknown_zero(now),
                                  .found = unknown_zero(now)};
    struct advertisement reply = {};
    struct ethhdr eth XV_ALIGN2;
    struct xv_neigh *neigh;
    struct xv_fdb *entry;
    struct ipv6hdr ip;
    int from_none, is_router;
    struct nd nd;

    if (!vtep || !target || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip), &nd, sizeof(nd)))
        return XV_PROXY_SILENT;
    addr_from_v6(target, nd.target.in6_u.u6_addr32);
    if (ip.hop_limit != 255 || addr_is_multicast(target))
        return XV_PROXY_SILENT;
    neigh = neigh_find(vtep, target, now);
    if (!neigh)
        return XV_NEIGH_MISS;
    entry = fdb_find(vtep, neigh->mac, now);
    if (neigh_is_local(entry))
        return XV_PROXY_SILENT;
    is_router = (entry && entry->flags & XV_FDB_ROUTER) ^ unknown_zero(now);

    /* A host that checks its own address has none yet, and must not be told of itself. */
    from_none = !(ip.saddr.in6_u.u6_addr32[0] | ip.saddr.in6_u.u6_addr32[1] |
                  ip.saddr.in6_u.u6_addr32[2] | ip.saddr.in6_u.u6_addr32[3]);
    if (from_none && mac_equal(neigh->mac, eth.h_source))
        return XV_PROXY_SILENT;
    from_none ^= unknown_zero(now);
    bpf_loop(XV_ND_OPTIONS_MAX, read_option, &options, 0);
    if (options.broken)
        return XV_PROXY_SILENT;
    __builtin_memcpy(reply.eth.h_dest, options.found ? options.mac : eth.h_source, 6);
    build_advertisement(&reply, &ip, &nd, neigh, is_router, from_none);
    if (bpf_skb_change_tail(skb, sizeof(reply) - 2, 0) ||
        bpf_skb_store_bytes(skb, 0, &reply.eth, sizeof(reply) - 2, 0))
        return XV_REWRITE_FAILED;
    return XV_PROXIED;
}

/*
 * Keeps ARP and neighbour solicitations off the wire. XV_PROXIED: the packet is now the answer;
 * XV_NEIGH_MISS: there is no live entry for *target; XV_CONTINUE: the frame is neither of the two.
 */
static __always_inline int proxy_answer(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                        __be16 proto, __u64 now, struct xv_addr *target)
{
    __u8 next, type[2];

    if (proto == bpf_htons(ETH_P_ARP))
        return proxy_arp(skb, vtep, now, target);
    if (proto != bpf_htons(ETH_P_IPV6) ||
        skb->len <
            ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct nd) || /* cut short: any frame */
        bpf_skb_load_bytes(skb, ETH_HLEN + __builtin_offsetof(struct ipv6hdr, nexthdr), &next, 1) ||
        next != IPPROTO_ICMPV6 ||
        bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), type, sizeof(type)) ||
        type[0] != XV_ND_SOLICITATION || type[1])
        return XV_CONTINUE;
    return proxy_nd(skb, vtep, now, target);
}

/* As proxy(), for ARP and IPv6. */
XV_STEP int proxy_frame(struct __sk_buff *skb, const struct xv_vtep *vtep, struct tx_ctx *tx)
{
    struct xv_addr target = {};
    int reason;

    if (!vtep || !tx)
        return XV_CONTINUE;
    reason = proxy_answer(skb, vtep, tx->eth.h_proto, tx->now, &target);
    if (reason == XV_NEIGH_MISS) {
        l3miss(skb, vtep, &target, tx->now);
        return XV_PROXY_SILENT;
    }
    return reason == XV_PROXIED ? answer(skb, tx, reason) : reason;
}

/* Handles a frame by `proxy`. Returns XV_CONTINUE, XV_PROXIED with tx->action set, or a reason. */
static __always_inline int proxy(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                 struct tx_ctx *tx)
{
    if (!(vtep->flags & XV_VTEP_PROXY) ||
        (tx->eth.h_proto != bpf_htons(ETH_P_ARP) && tx->eth.h_proto != bpf_htons(ETH_P_IPV6)) ||
        skb->vlan_present) /* the kernel's device does not recognize ARP behind a tag */
        return XV_CONTINUE;
    if (is_of_another_place(vtep, tx)) /* the VTEP's device answers */
        return XV_RESOLVE;
    return proxy_frame(skb, vtep, tx);
}

#endif
