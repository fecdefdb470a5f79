/* SPDX-License-Identifier: GPL-2.0-only */
/* Builds the outer headers as the kernel's vxlan_xmit_one() does, for both XDP and TC. */
#ifndef XVTEP_BPF_ENCAP_H
#define XVTEP_BPF_ENCAP_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/csum.h"
#include "bpf/ecn.h"
#include "bpf/nexthop.h"
#include "bpf/parse_inner.h"
#include "bpf/source_port.h"

/* The headers behind the Ethernet header. It is separate, as its 14 bytes would unalign these. */
struct outer_v4 {
    struct iphdr ip;
    struct udphdr udp;
    struct xv_vxlan_header vxlan;
};

struct outer_v6 {
    struct ipv6hdr ip;
    struct udphdr udp;
    struct xv_vxlan_header vxlan;
};

XV_ASSERT(ETH_HLEN + sizeof(struct outer_v4) == XV_OUTER_V4, "no padding");
XV_ASSERT(ETH_HLEN + sizeof(struct outer_v6) == XV_OUTER_V6, "no padding");

static __always_inline int inner_is_ip(const struct inner *in)
{
    return in->l3_proto == bpf_htons(ETH_P_IP) || in->l3_proto == bpf_htons(ETH_P_IPV6);
}

static __always_inline __u8 outer_tos(const struct xv_vtep *vtep, const struct inner *in)
{
    __u8 tos = vtep->flags & XV_VTEP_TOS_INHERIT ? in->tos : vtep->tos;

    return ecn_encapsulate(tos, in->tos);
}

static __always_inline __u8 outer_ttl(const struct xv_vtep *vtep, const struct inner *in)
{
    return vtep->flags & XV_VTEP_TTL_INHERIT && inner_is_ip(in) && in->ttl ? in->ttl : vtep->ttl;
}

static __always_inline int outer_df(const struct xv_vtep *vtep, const struct inner *in)
{
    if (vtep->flags & XV_VTEP_DF_INHERIT && in->tagged)
        return 0; /* the kernel's device does not parse behind a tag */
    if (vtep->flags & XV_VTEP_DF_INHERIT)
        return in->l3_proto == bpf_htons(ETH_P_IP) ? in->df : in->l3_proto == bpf_htons(ETH_P_IPV6);
    return !!(vtep->flags & XV_VTEP_DF_SET);
}

static __always_inline void build_udp_vxlan(struct udphdr *udp, struct xv_vxlan_header *vxlan,
                                            const struct xv_vtep *vtep,
                                            const struct xv_remote *remote, const struct inner *in,
                                            __u32 frame_size)
{
    udp->source = source_port(vtep, in);
    udp->dest = remote->port;
    udp->len = bpf_htons(sizeof(*udp) + sizeof(*vxlan) + frame_size);
    udp->check = 0;
    vxlan->flags = bpf_htonl(XV_VXLAN_FLAG_VNI);
    if (in->mark) /* only with gbp */
        vxlan->flags |= bpf_htonl(XV_VXLAN_FLAG_GBP | (in->mark & XV_VXLAN_GBP_BITS));
    vxlan->vni = remote->vxlan_vni;
}

static __always_inline void build_eth(struct ethhdr *eth, const struct xv_hop *hop, __be16 proto)
{
    mac_copy(eth->h_dest, hop->dmac);
    mac_copy(eth->h_source, hop->smac);
    eth->h_proto = proto;
}

/*
 * An IPv4 identification that differs for each packet, for reassembly: derived from a counter that
 * is kept anyway, with distance between CPUs and remotes. A random number would cost as much as the
 * rest of the header.
 */
static __always_inline __u16 outer_id(const struct xv_remote *remote)
{
    struct xv_remote_counters *c = remote_counters(remote);
    __u32 from = remote->id * 0x9e37u + bpf_get_smp_processor_id() * 0x3c6fu;

    return c ? c->tx_packets + from : from;
}

/* `frame_size`: size of the inner frame. */
static __always_inline void build_outer_v4(struct ethhdr *eth, struct outer_v4 *h,
                                           const struct xv_vtep *vtep,
                                           const struct xv_remote *remote, const struct inner *in,
                                           const struct xv_hop *hop, __u32 frame_size)
{
    __be32 *word = (__be32 *)&h->ip;
    __u64 sum = (__u64)vtep->local.word[3] + remote->addr.word[3];
    __u32 value;

    build_eth(eth, hop, bpf_htons(ETH_P_IP));
    /* The sum uses the values, since reading the words back would wait for their stores. */
    word[3] = vtep->local.word[3];
    word[4] = remote->addr.word[3];
    value = bpf_htonl(0x45000000 | outer_tos(vtep, in) << 16 | (__u16)(sizeof(*h) + frame_size));
    sum += value;
    word[0] = value;
    value = bpf_htonl((__u32)outer_id(remote) << 16 | (outer_df(vtep, in) ? XV_IP_DF : 0));
    sum += value;
    word[1] = value;
    value = bpf_htonl((__u32)outer_ttl(vtep, in) << 24 | IPPROTO_UDP << 16);
    sum += value;
    word[2] = value;
    h->ip.check = ~csum_fold(sum);
    build_udp_vxlan(&h->udp, &h->vxlan, vtep, remote, in, frame_size);
}

static __always_inline void build_outer_v6(struct ethhdr *eth, struct outer_v6 *h,
                                           const struct xv_vtep *vtep,
                                           const struct xv_remote *remote, const struct inner *in,
                                           const struct xv_hop *hop, __u32 frame_size)
{
    __u32 tos = outer_tos(vtep, in);

    build_eth(eth, hop, bpf_htons(ETH_P_IPV6));
    *(__be32 *)&h->ip = bpf_htonl(6u << 28 | tos << 20) | vtep->flowlabel;
    h->ip.payload_len = bpf_htons(sizeof(h->udp) + sizeof(h->vxlan) + frame_size);
    h->ip.nexthdr = IPPROTO_UDP;
    h->ip.hop_limit = outer_ttl(vtep, in);
    __builtin_memcpy(&h->ip.saddr, &vtep->local, 16);
    __builtin_memcpy(&h->ip.daddr, &remote->addr, 16);
    build_udp_vxlan(&h->udp, &h->vxlan, vtep, remote, in, frame_size);
}

/*
 * Returns 0 if the outer L3 packet, or each segment of a GSO packet, fits the path; else the MTU
 * that is too small. `oif`: the port it leaves by; 0: not known, so the kernel's device checks it.
 * `path_mtu`: from a router's ICMP error, or 0.
 */
static __always_inline __u32 exceeded_mtu(void *ctx, __u32 oif, __u32 path_mtu, __u32 l3_size)
{
    __u32 size = l3_size;

    if (l3_size <= XV_MTU_SAFE)
        return 0;
    if (path_mtu && l3_size > path_mtu)
        return path_mtu;
    if (!oif) /* bpf_check_mtu() would take the packet's own device */
        return 0;
    bpf_check_mtu(ctx, oif, &size, 0, 0); /* its result is not valid for a GSO packet */
    return l3_size > size ? size : 0;
}

/* Size of the outer headers, Ethernet included. */
static __always_inline __u32 outer_size(const struct xv_vtep *vtep)
{
    return vtep->flags & XV_VTEP_V6 ? XV_OUTER_V6 : XV_OUTER_V4;
}

/* Whether the outer UDP header has a checksum; with IPv6 it has unless the user allowed 0. */
static __always_inline int needs_csum(const struct xv_vtep *vtep)
{
    return !!(vtep->flags & XV_VTEP_UDPCSUM);
}

#endif
