/* SPDX-License-Identifier: GPL-2.0-only */
/* MAC addresses, and IP addresses in the form that the maps use: IPv4 as ::ffff:a.b.c.d. */
#ifndef XVTEP_BPF_ADDR_H
#define XVTEP_BPF_ADDR_H

#include "bpf/abi/tables.h"
#include "bpf/common.h"

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

static __always_inline int addr_is_set(const struct xv_addr *a)
{
    return !!(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

/* Not a valid source address on a wire: this network, loopback, multicast, broadcast. */
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

/* The 32-bit word that holds `first` and `second` in memory, in this order. */
static __always_inline __u32 halves(__u16 first, __u16 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return first | (__u32)second << 16;
#else
    return (__u32)first << 16 | second;
#endif
}

/* Every MAC is at an even address, so that three 16-bit loads read it instead of six. */
typedef __u16 __attribute__((may_alias)) mac_part;

/* Aligns an Ethernet header on the stack: the verifier refuses unaligned reads there. */
#define XV_ALIGN2 __attribute__((aligned(2)))

#define XV_ASSERT_EVEN(type, member)                                                               \
    XV_ASSERT(__builtin_offsetof(struct type, member) % 2 == 0, "a MAC is at an even address")
XV_ASSERT_EVEN(xv_vtep, mac);
XV_ASSERT_EVEN(xv_vtep, underlay_mac);
XV_ASSERT_EVEN(xv_underlay, mac);
XV_ASSERT_EVEN(xv_port, last_smac);
XV_ASSERT_EVEN(xv_port, claimed_mac);
XV_ASSERT_EVEN(xv_hop, dmac);
XV_ASSERT_EVEN(xv_hop, smac);
XV_ASSERT_EVEN(xv_remote, path.hop);
XV_ASSERT_EVEN(xv_nexthop, path.hop);
XV_ASSERT_EVEN(xv_multipath, hop);
XV_ASSERT_EVEN(xv_neigh, mac);

static __always_inline int mac_is_zero(const __u8 *mac)
{
    const mac_part *m = (const mac_part *)mac;

    return !(m[0] | m[1] | m[2]);
}

static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
    const mac_part *x = (const mac_part *)a, *y = (const mac_part *)b;

    return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline void mac_copy(__u8 *to, const __u8 *from)
{
    const mac_part *f = (const mac_part *)from;
    mac_part *t = (mac_part *)to;

    t[0] = f[0];
    t[1] = f[1];
    t[2] = f[2];
}

#endif
