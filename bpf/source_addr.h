/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local address of a VTEP for which none was given (XV_VTEP_LOCAL_AUTO). The kernel's device
 * has none then, and chooses the source of each packet by its route. The programs send from one
 * address, and take over another one of the kernel's packets
 *
 *   at once, if the host has lost theirs, as when DHCP renews it
 *   if no packet of the kernel has had theirs for some seconds, as when a route has another source
 *
 * Until then, and for remotes to which the route has a source of its own, packets take the kernel's
 * path: their next hops are known for that source alone.
 */
#ifndef XVTEP_BPF_SOURCE_ADDR_H
#define XVTEP_BPF_SOURCE_ADDR_H

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fib.h"
#include "bpf/maps.h"
#include "bpf/vtep.h"

#define XV_CONFIRMED_MASK (~0U << XV_VTEP_CONFIRMED_SHIFT)
#define XV_CONFIRMED_LIFE 3 /* units of 2^30 ns */

/*
 * Whether a route leads to the address, which is none of this host's then. Where no route leads,
 * it is not known: 0.
 */
XV_STEP int source_is_gone(struct __sk_buff *skb, const struct xv_addr *addr)
{
    __u32 zero = 0;
    struct multipath_work *work = bpf_map_lookup_elem(&multipath_work, &zero);

    if (!addr || !work)
        return 0;
    __builtin_memset(&work->key, 0, sizeof(work->key));
    work->key.dst = *addr;
    work->from = *addr;
    return fib_look_up(skb, 0, 0);
}

/* As source_is_gone(), for the VTEP's own address where it follows the route; else 0. */
static __always_inline int own_source_is_gone(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    return vtep->flags & XV_VTEP_LOCAL_AUTO && source_is_gone(skb, &vtep->local);
}

/*
 * A packet of the VTEP's kernel device leaves from this address. It may not be one of another host
 * whose packet is routed or bridged through here; such packets have an ingress_ifindex. The
 * kernel's IPv4 tunnel takes it off; no IPv6 tunnel need do that: there, the address must be one of
 * this host.
 */
XV_STEP int follow_source(struct __sk_buff *skb, const struct xv_addr *from, __u32 vni,
                          __u32 dstport)
{
    __u32 now = bpf_ktime_get_coarse_ns() >> 30, one = 1, flags, confirmed;
    struct xv_vtep *vtep;
    struct xv_addr key;

    if (!from || (skb->ingress_ifindex && addr_is_v4(from)))
        return 0;
    vtep = vtep_by_vni_rarely(vni, dstport);
    if (!vtep || !(vtep->flags & XV_VTEP_LOCAL_AUTO))
        return 0;
    now <<= XV_VTEP_CONFIRMED_SHIFT;
    flags = vtep->flags;
    confirmed = flags & XV_CONFIRMED_MASK;
    key = *from;
    if (!addr_equal(&key, &vtep->local)) {
        if (now - confirmed < XV_CONFIRMED_LIFE << XV_VTEP_CONFIRMED_SHIFT &&
            !source_is_gone(skb, &vtep->local))
            return 0;
        if (skb->ingress_ifindex && source_is_gone(skb, from))
            return 0;
        bpf_map_update_elem(&local_addrs, &key, &one, BPF_ANY);
        vtep->local = key;
    }
    /* Not if a command has just changed other flags: then the next packet confirms. */
    if (now != confirmed)
        __sync_val_compare_and_swap(&vtep->flags, flags, (flags & ~XV_CONFIRMED_MASK) | now);
    return 0;
}

#endif
