/* SPDX-License-Identifier: GPL-2.0-only */
/* The inner source MAC of a frame: whether it is valid, and whether it has moved or is new. */
#ifndef XVTEP_BPF_SOURCE_MAC_H
#define XVTEP_BPF_SOURCE_MAC_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/remote.h"
#include "bpf/sender.h"

static __always_inline int source_mac_is_invalid(const __u8 *source)
{
    return mac_is_multicast(source) || mac_is_zero(source);
}

/* The checks of vxlan_set_mac(). Returns XV_CONTINUE or a drop reason. */
static __always_inline int check_source_mac(const struct xv_vtep *vtep, const __u8 *source)
{
    if (mac_equal(source, vtep->mac))
        return XV_LOCAL_MAC;
    return source_mac_is_invalid(source) ? XV_MAC_INVALID_SOURCE : XV_CONTINUE;
}

/*
 * Whether the VTEP takes packets of this sender: `--accept`. `remote`: the sender, or NULL. Returns
 * XV_CONTINUE or XV_UNKNOWN_REMOTE.
 */
static __always_inline int check_sender(const struct xv_vtep *vtep, const struct xv_remote *remote,
                                        __u64 now)
{
    if (vtep->flags & XV_VTEP_ACCEPT_KNOWN && !(remote && xv_remote_is_known(remote, now)))
        return XV_UNKNOWN_REMOTE;
    return XV_CONTINUE;
}

/*
 * Checks the source of a frame from the VTEP at `place`: whether the kernel has learned the MAC
 * there, and has lately admitted the sender. XV_CONTINUE, a drop reason, or XV_TO_LEARN or
 * XV_TO_ADMIT: the frame must then go through the kernel's device, and is learned at
 * tc_device_ingress. `remote`: the sender, or NULL.
 */
static __always_inline int check_source(const struct xv_vtep *vtep, struct xv_remote *remote,
                                        const struct place *place, const __u8 *source, __u64 now)
{
    int refused = check_source_mac(vtep, source);

    if (refused)
        return refused;
    if (vtep->flags & XV_VTEP_LEARNING) {
        int reason = fdb_check(vtep, source, place, 0, vtep->renew_shift, now);

        if (reason != XV_CONTINUE)
            return reason;
    }
    return is_admitted(remote, &place->addr, vtep->dstport, now) ? XV_CONTINUE : XV_TO_ADMIT;
}

/*
 * Admits the sender of a frame that the kernel's device has decapsulated, checks the frame's source
 * and learns it. `from`: the sender's address. Without a sender (the packet came by another port,
 * or out of IPsec) only the kernel's device knows it, and `from` is NULL, unless the device has
 * many VNIs. Returns XV_TO_LEARN if something was learned,
 * XV_CONTINUE, or a drop reason.
 */
static __always_inline int learn_source(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                        struct xv_sender *sender, const struct xv_addr *from,
                                        __u64 now)
{
    struct place place = {};
    int reason;

    if (sender)
        sender->admitted = xv_stamp(now) | 1; /* 0 means never */
    if (vtep->flags & XV_VTEP_ACCEPT_KNOWN) {
        reason = check_sender(vtep, sender ? remote_of_sender(vtep, &sender->addr) : NULL, now);
        if (reason != XV_CONTINUE)
            return reason;
    }
    if (source_mac_is_invalid(eth->h_source))
        return XV_MAC_INVALID_SOURCE;
    if (!(vtep->flags & XV_VTEP_LEARNING))
        return XV_CONTINUE;
    if (from)
        place.addr = *from;
    reason = fdb_check(vtep, eth->h_source, &place, 0, vtep->renew_shift, now);
    if (reason == XV_TO_LEARN)
        fdb_learn(vtep, eth, &place, 0, now);
    return reason_drops(reason) && !from ? XV_CONTINUE : reason;
}

#endif
