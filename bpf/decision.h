/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decisions of the XDP programs. What was decided about a frame holds for frames with the same MACs
 * until the coarse clock ticks, which it does every few milliseconds. So a program looks into its
 * tables a few hundred times a second for each pair of MACs, and not for each frame. Whatever
 * changes (an entry, a port, an admission, the bridge's mind) counts from the next tick on.
 *
 * Each CPU has its own, so no other one writes them meanwhile. A place that was filled in this tick
 * is not taken by other MACs: frames to very many MACs then cost one look more, and no write.
 */
#ifndef XVTEP_BPF_DECISION_H
#define XVTEP_BPF_DECISION_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/maps.h"
#include "bpf/parse_outer.h"

typedef __u32 __attribute__((may_alias, aligned(2))) mac_words;

static __always_inline __u32 decision_place(const mac_words *macs, __u32 more)
{
    return ((macs[0] ^ macs[1] * 3) + (macs[2] ^ more) * 0x9e3779b9U) * 0x9e3779b9U >>
           (32 - XV_DECISION_BITS);
}

static __always_inline int macs_equal(const __u32 *a, const mac_words *b)
{
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]));
}

/* Where the decision about a packet with these headers is or may be; NULL: it is an odd one. */
static __always_inline struct decap_decision *decap_decision(const struct outer *o,
                                                             const struct ethhdr *inner)
{
    __u32 at = decision_place((const mac_words *)inner, o->src.word[3] ^ o->vxlan.vni);

    if (o->vxlan.flags != bpf_htonl(XV_VXLAN_FLAG_VNI) || (o->v6 && !o->csum))
        return NULL;
    return bpf_map_lookup_elem(&decap_decisions, &at);
}

static __always_inline struct encap_decision *encap_decision(const struct ethhdr *eth,
                                                             __u32 ifindex)
{
    __u32 at = decision_place((const mac_words *)eth, ifindex);

    return bpf_map_lookup_elem(&encap_decisions, &at);
}

static __always_inline int encap_is_decided(const struct encap_decision *d,
                                            const struct ethhdr *eth, __u32 ifindex, __u64 now)
{
    return d->tick == now && d->ifindex == ifindex && macs_equal(d->macs, (const mac_words *)eth);
}

static __always_inline void copy_macs(__u32 *to, const struct ethhdr *eth)
{
    const mac_words *from = (const mac_words *)eth;

    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
}

#endif
