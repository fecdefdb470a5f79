/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `--accept known`, where the kernel's device would otherwise decide: it must not learn from
 * packets of VTEPs that nobody named, nor send to them. source_mac.h checks all other packets.
 */
#ifndef XVTEP_BPF_STRANGER_H
#define XVTEP_BPF_STRANGER_H

#include <linux/udp.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/find_udp.h"
#include "bpf/parse_outer.h"
#include "bpf/remote.h"
#include "bpf/vtep.h"

/* Whether the VTEP neither takes packets from this address nor sends any there. */
static __always_inline int is_stranger(const struct xv_vtep *vtep, const struct xv_addr *addr,
                                       __u64 now)
{
    struct xv_remote *remote;

    if (!(vtep->flags & XV_VTEP_ACCEPT_KNOWN))
        return 0;
    remote = remote_of_sender(vtep, addr);
    return !remote || !xv_remote_is_known(remote, now);
}

/*
 * Whether a fragment, or a packet with options, is of a stranger. Returns the slot of the VTEP, or
 * 0. Of fragments only the first can tell; without it the others are never put together.
 */
XV_STEP int stranger_to(struct __sk_buff *skb)
{
    struct {
        struct udphdr udp;
        struct xv_vxlan_header vxlan;
    } h;
    struct xv_vtep *vtep;
    struct xv_addr from;
    __u32 at = find_udp(skb, &from);

    if (!at || bpf_skb_load_bytes(skb, at, &h, sizeof(h)) || !port_is_ours(h.udp.dest))
        return 0;
    vtep = vtep_by_vni_rarely(bpf_ntohl(h.vxlan.vni) >> 8, h.udp.dest);
    return vtep && is_stranger(vtep, &from, bpf_ktime_get_coarse_ns()) ? vtep->slot : 0;
}

#endif
