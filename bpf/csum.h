/* SPDX-License-Identifier: GPL-2.0-only */
/* Internet checksums (RFC 1071). Sums are of 16-bit words in network byte order, not yet folded. */
#ifndef XVTEP_BPF_CSUM_H
#define XVTEP_BPF_CSUM_H

#include "bpf/common.h"

/* Folds a sum to 16 bits; it is not complemented. */
static __always_inline __u16 csum_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Folds and complements a sum for a UDP or ICMPv6 header; 0 is sent as 0xffff (RFC 768). */
static __always_inline __u16 csum_finish(__u64 sum)
{
    __u16 check = ~csum_fold(sum);

    return check ? check : 0xffff;
}

/* Sum of a pseudo-header. `addresses`: source and destination, `size` bytes, a multiple of 4. */
static __always_inline __u64 pseudo_sum(const void *addresses, __u32 size, __u32 l4_size,
                                        __u8 proto)
{
    __be32 tail[2] = {bpf_htonl(l4_size), bpf_htonl(proto)};
    __u32 sum = bpf_csum_diff(NULL, 0, tail, sizeof(tail), 0);

    return (__u64)(__u32)bpf_csum_diff(NULL, 0, (__be32 *)addresses, size, sum);
}

#endif
