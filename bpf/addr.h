/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses: MACs, and IPs in the one form the maps use. */
#ifndef XVTEP_BPF_ADDR_H
#define XVTEP_BPF_ADDR_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xvtep/tables.h"

/*
 * A step that the verifier checks once, with any arguments: a static function it walks through
 * again on every path of every caller, which Linux 6.1 gives up on. Pointers may be NULL to it.
 */
#define XV_STEP __noinline

static __always_inline void addr_from_v4(struct xv_addr *addr, __be32 v4)
{
    addr->word[0] = 0;
    addr->word[1] = 0;
    addr->word[2] = bpf_htonl(0xffff);
    addr->word[3] = v4;
}

static __always_inline void addr_from_v6(struct xv_addr *addr, const __be32 *v6)
{
    addr->word[0] = v6[0];
    addr->word[1] = v6[1];
    addr->word[2] = v6[2];
    addr->word[3] = v6[3];
}

static __always_inline int addr_equal(const struct xv_addr *a, const struct xv_addr *b)
{
    return !((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
             (a->word[3] ^ b->word[3]));
}

static __always_inline int addr_is_v4(const struct xv_addr *addr)
{
    return !addr->word[0] && !addr->word[1] && addr->word[2] == bpf_htonl(0xffff);
}

/* No host's on a wire: this network, loopback, multicast, broadcast. */
static __always_inline int addr_is_martian(const struct xv_addr *addr)
{
    __u32 last = bpf_ntohl(addr->word[3]);

    if (addr_is_v4(addr))
        return !(last >> 24) || last >> 24 == 127 || last >> 28 == 0xe || last == ~0U;
    return (addr->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) ||
           (!(addr->word[0] | addr->word[1] | addr->word[2]) && last <= 1);
}

static __always_inline int addr_is_multicast(const struct xv_addr *addr)
{
    if (addr_is_v4(addr))
        return (addr->word[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000);
    return (addr->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

static __always_inline int mac_is_multicast(const __u8 *mac)
{
    return mac[0] & 1;
}

static __always_inline int mac_is_zero(const __u8 *mac)
{
    return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
             (a[5] ^ b[5]));
}

#endif
