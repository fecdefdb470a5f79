/* SPDX-License-Identifier: GPL-2.0-only */
/* Explicit congestion notification through the tunnel: RFC 6040, as the kernel implements it. */
#ifndef XVTEP_BPF_ECN_H
#define XVTEP_BPF_ECN_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/common.h"

#define XV_ECN_MASK 3
#define XV_ECN_ECT1 1
#define XV_ECN_ECT0 2
#define XV_ECN_CE 3

/* The outer TOS: CE becomes ECT(0), other ECN fields stay (the kernel's INET_ECN_encapsulate()). */
static __always_inline __u8 ecn_encapsulate(__u8 tos, __u8 inner)
{
    __u8 ecn = inner & XV_ECN_MASK;

    return (tos & ~XV_ECN_MASK) | (ecn == XV_ECN_CE ? XV_ECN_ECT0 : ecn);
}

/* The inner packet's new ECN field, or -1: drop the packet (RFC 6040 figure 4). */
static __always_inline int ecn_decapsulate(__u8 outer, __u8 inner)
{
    outer &= XV_ECN_MASK;
    inner &= XV_ECN_MASK;
    if (outer == XV_ECN_CE)
        return inner ? XV_ECN_CE : -1;
    if (outer == XV_ECN_ECT1 && inner == XV_ECN_ECT0)
        return XV_ECN_ECT1;
    return inner;
}

/* Writes `ecn` into an IPv4 header, and updates the checksum (RFC 1624 eqn. 3). */
static __always_inline void ecn_set_v4(struct iphdr *ip, __u8 ecn)
{
    __be16 *word = (__be16 *)ip;
    __u16 old = *word;
    __u32 sum;

    ip->tos = (ip->tos & ~XV_ECN_MASK) | ecn;
    sum = (__u16)~ip->check + (__u16)~old + *word;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    ip->check = ~sum;
}

static __always_inline void ecn_set_v6(struct ipv6hdr *ip, __u8 ecn)
{
    ip->flow_lbl[0] = (ip->flow_lbl[0] & ~(XV_ECN_MASK << 4)) | ecn << 4;
}

#endif
