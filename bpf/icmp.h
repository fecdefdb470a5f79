/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP messages and constants of path MTU discovery. */
#ifndef XVTEP_BPF_ICMP_H
#define XVTEP_BPF_ICMP_H

#include <linux/types.h>

#define XV_MTU_MIN_V4 576  /* smaller ones are not believed; senders need not handle them */
#define XV_MTU_MIN_V6 1280 /* RFC 8200 5 */

#define XV_ICMP_UNREACHABLE 3
#define XV_ICMP_FRAG_NEEDED 4 /* a code of XV_ICMP_UNREACHABLE */
#define XV_ICMP_SOURCE_QUENCH 4
#define XV_ICMP_REDIRECT 5
#define XV_ICMP_TIME_EXCEEDED 11
#define XV_ICMP_PARAMETER_PROBLEM 12
#define XV_ICMPV6_TOO_BIG 2
#define XV_ICMPV6_INFORMATIONAL 128 /* lower types are errors */
#define XV_ICMPV6_REDIRECT 137

struct icmp { /* linux/icmp.h includes libc's headers */
    __u8 type, code;
    __u16 checksum;
    __be16 unused, mtu; /* one 32-bit number in ICMPv6 */
};

#endif
