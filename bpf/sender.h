/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VTEPs that send to us. The kernel is asked about each, once a second and whenever its
 * device has to decapsulate anyway (GSO packets, fragments, options, MACs to learn): what a
 * firewall, an IPsec policy, rp_filter or a device that is down keeps out there is not let in here.
 *
 *   tc_underlay_ingress: senders[place] = outer source; tc_index = XV_MARK_SENDER | place
 *   the kernel:  its rules, reassembly, decapsulation; its device learns the inner source
 *   tc_device_ingress:  the sender is let in; check_source(), and fdb_learn() with its address
 */
#ifndef XVTEP_BPF_SENDER_H
#define XVTEP_BPF_SENDER_H

#include "bpf/gc.h"
#include "bpf/maps.h"
#include "bpf/marks.h"

#define XV_SENDER_WAYS 4
#define XV_SENDER_LIFE XV_SECOND
#define XV_SENDER_IDLE 60 /* in units of 2^30 ns: longer than reassembly takes */

static __always_inline int sender_is(const struct xv_sender *at, const struct xv_addr *addr,
                                     __be16 port)
{
    return at->port == port && addr_equal(&at->addr, addr);
}

/* Whether the kernel has let in a packet of this sender lately. */
static __always_inline int sender_admitted(const struct xv_addr *addr, __be16 port, __u64 now)
{
    __u32 first = xv_sender_index(addr, port);

    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 place = first ^ n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &place);

        if (at && sender_is(at, addr, port))
            return at->admitted && xv_since(now, at->admitted) < XV_SENDER_LIFE;
    }
    return 0;
}

/*
 * The mark of a packet of this sender, by its place in `senders`: the one it has, or one that is
 * free or that nobody has used for a while. 0, no mark, where all are in use.
 */
XV_STEP int sender_mark(const struct xv_addr *addr, __u32 port, __u64 now)
{
    struct xv_sender fresh = {.port = port, .last_marked = now >> 30 | 1};
    __u32 first;

    if (!addr)
        return 0;
    fresh.addr = *addr;
    first = xv_sender_index(addr, port);
    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 place = first ^ n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &place);

        if (!at)
            return 0;
        if (sender_is(at, addr, port)) {
            if (at->last_marked != fresh.last_marked)
                at->last_marked = fresh.last_marked;
            return XV_MARK_SENDER | place;
        }
    }
    for (__u32 n = 0; n < XV_SENDER_WAYS; n++) {
        __u32 place = first ^ n;
        struct xv_sender *at = bpf_map_lookup_elem(&senders, &place);

        if (at &&
            (!at->last_marked || (__u16)(fresh.last_marked - at->last_marked) > XV_SENDER_IDLE)) {
            bpf_map_update_elem(&senders, &place, &fresh, BPF_ANY);
            return XV_MARK_SENDER | place;
        }
    }
    return 0;
}

static __always_inline struct xv_sender *sender_of_mark(__u32 mark)
{
    __u32 place = mark & (XV_SENDERS - 1);
    struct xv_sender *at;

    if ((mark & XV_MARK_TYPE) != XV_MARK_SENDER)
        return NULL;
    at = bpf_map_lookup_elem(&senders, &place);
    return at && at->last_marked ? at : NULL;
}

#endif
