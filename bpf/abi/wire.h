/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VXLAN header (RFC 7348 section 5), in network byte order, and constants of packets.
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |R|R|R|R|I|R|R|R|            Reserved                           |
 * |                VXLAN Network Identifier (VNI) |   Reserved    |
 */
#ifndef XVTEP_WIRE_H
#define XVTEP_WIRE_H

#include <linux/types.h>

#define XV_VXLAN_PORT 4789 /* IANA's; Linux's own default is 8472 */
#define XV_VNI_MAX 0xffffffu

/* In the first word, host order. */
#define XV_VXLAN_FLAG_VNI 0x08000000u /* the I flag */
#define XV_VXLAN_FLAG_GBP                                                                          \
    0x80000000u                       /* draft-smith-vxlan-group-policy: XV_VXLAN_GBP_BITS count   \
                                       */
#define XV_VXLAN_GBP_BITS 0x0048ffffu /* don't learn, policy applied, group id: as in skb->mark */

struct xv_vxlan_header {
    __be32 flags;
    __be32 vni; /* VNI in the upper 24 bits */
};

/* In the fragment field of an IPv4 header. */
#define XV_IP_DF 0x4000
#define XV_IP_FRAGMENT 0x3fff /* more-fragments flag and offset */
#define XV_IP_OFFSET 0x1fff
#define XV_IP_MORE 0x2000 /* more fragments follow */

/* Size of the headers that encapsulation adds to a frame, outer Ethernet header included. */
#define XV_OUTER_V4 (14 + 20 + 8 + 8)
#define XV_OUTER_V6 (14 + 40 + 8 + 8)

#endif
