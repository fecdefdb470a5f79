/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Path MTUs of the underlay. Routers report them in ICMP errors about our own outer packets.
 * tc_underlay_ingress passes those on to the stack, and remembers the MTU.
 */
#ifndef XVTEP_BPF_PMTU_H
#define XVTEP_BPF_PMTU_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/cursor.h"
#include "bpf/icmp.h"
#include "bpf/maps.h"
#include "bpf/parse_outer.h"
#include "bpf/skb.h"
#include "bpf/vtep.h"

#define XV_PMTU_LIFE (600 * XV_SECOND) /* net.ipv4.route.mtu_expires */

/* The path MTU to this address that a router has reported, or 0. */
static __always_inline __u32 pmtu_of(const struct xv_addr *addr, __u64 now)
{
    struct xv_pmtu *pmtu = bpf_map_lookup_elem(&pmtus, addr);

    return pmtu && now < pmtu->expires ? pmtu->mtu : 0;
}

/* What a router reports to `told` about a packet from `from` to `to`. */
struct pmtu_report {
    struct xv_addr told, from, to;
    __u32 mtu;
    __u32 vni;
    __be16 dport; /* UDP */
};

/* Remembers the report, if the packet was ours. */
XV_STEP int pmtu_learn(const struct pmtu_report *r, __u64 now)
{
    struct xv_pmtu fresh = {.expires = now + XV_PMTU_LIFE};
    struct xv_addr from, to; /* Linux 6.1 takes no key from where an argument points */
    __u32 known;

    if (!r)
        return 0;
    from = r->from;
    to = r->to;
    fresh.mtu = r->mtu;
    known = pmtu_of(&to, now);
    if ((known && known <= r->mtu) || !addr_equal(&r->told, &from) ||
        !bpf_map_lookup_elem(&local_addrs, &from) || !port_is_ours(r->dport) ||
        !vtep_slot_by_vni(r->vni, r->dport)) /* vxlan_err_lookup() */
        return 0;
    bpf_map_update_elem(&pmtus, &to, &fresh,
                        BPF_ANY); /* used from the next renewal of the next hop on */
    return 0;
}

static __always_inline void pmtu_report_about(struct pmtu_report *r, const struct udphdr *udp,
                                              const struct xv_vxlan_header *vxlan, __u32 mtu)
{
    r->mtu = mtu;
    r->vni = bpf_ntohl(vxlan->vni) >> 8;
    r->dport = udp->dest;
}

/* Looks for an ICMP error about a path MTU in a packet that is not UDP. */
XV_STEP int pmtu_snoop(struct __sk_buff *skb, __u64 now)
{
    struct cursor c = skb_pull(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));
    struct xv_vxlan_header *vxlan;
    struct pmtu_report report = {};
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
            bpf_ntohs(icmp->mtu) < XV_MTU_MIN_V4 + XV_OUTER_V4)
            return 0; /* with a smaller MTU no error could be sent to a sender */
        addr_from_v4(&report.told, ip->daddr);
        addr_from_v4(&report.from, quoted->saddr);
        addr_from_v4(&report.to, quoted->daddr);
        pmtu_report_about(&report, udp, vxlan, bpf_ntohs(icmp->mtu));
        pmtu_learn(&report, now);
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
        struct ipv6hdr *ip = take(&c, sizeof(*ip)), *quoted;
        struct icmp *icmp = take(&c, sizeof(*icmp));

        if (!ip || !icmp || ip->nexthdr != IPPROTO_ICMPV6 || icmp->type != XV_ICMPV6_TOO_BIG)
            return 0;
        quoted = take(&c, sizeof(*quoted));
        udp = take(&c, sizeof(*udp));
        vxlan = take(&c, sizeof(*vxlan));
        if (!quoted || !udp || !vxlan || quoted->nexthdr != IPPROTO_UDP || icmp->unused ||
            bpf_ntohs(icmp->mtu) < XV_MTU_MIN_V6)
            return 0;
        addr_from_v6(&report.told, ip->daddr.in6_u.u6_addr32);
        addr_from_v6(&report.from, quoted->saddr.in6_u.u6_addr32);
        addr_from_v6(&report.to, quoted->daddr.in6_u.u6_addr32);
        pmtu_report_about(&report, udp, vxlan, bpf_ntohs(icmp->mtu));
        pmtu_learn(&report, now);
    }
    return 0;
}

#endif
