/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device with many VNIs: a frame's VLAN on it says its VNI. Each VNI is a VTEP of its own, with
 * xv_vtep.vid; in `devices` is a record with XV_VTEP_DEVICE, which is no VTEP.
 */
#ifndef XVTEP_BPF_DEVICE_VLAN_H
#define XVTEP_BPF_DEVICE_VLAN_H

#include <linux/if_ether.h>

#include "bpf/abi/tables.h"
#include "bpf/common.h"
#include "bpf/maps.h"
#include "bpf/tunnel_key.h"
#include "bpf/vtep.h"

/* Tags a frame for the VTEP's device, if that has many VNIs. Returns 0, or an error. */
static __always_inline int push_device_vlan(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    return vtep->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vtep->vid);
}

/* After a copy of a frame that goes on without the tag. */
static __always_inline void pop_device_vlan(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    if (vtep->vid)
        bpf_skb_vlan_pop(skb);
}

/* Lets a frame go on to the stack or the bridge. Returns the action. */
static __always_inline int pass_to_stack(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    return push_device_vlan(skb, vtep) ? TC_ACT_SHOT : XV_PASS;
}

/*
 * The VLAN of a frame, whose tag is in skb metadata or in the packet; 0: none. A tag of 802.1ad is
 * part of the frame.
 */
static __always_inline __u32 skb_vid(struct __sk_buff *skb)
{
    __be16 tag[2];

    if (skb->vlan_present)
        return skb->vlan_proto == bpf_htons(ETH_P_8021Q) ? skb->vlan_tci & 0xfff : 0;
    if (bpf_skb_load_bytes(skb, 2 * ETH_ALEN, tag, sizeof(tag)) || tag[0] != bpf_htons(ETH_P_8021Q))
        return 0;
    return bpf_ntohs(tag[1]) & 0xfff;
}

static __always_inline struct xv_vtep *vtep_by_vlan(__u32 ifindex, __u32 vid)
{
    struct xv_vlan_key key = {.ifindex = ifindex, .vid = vid};
    __u32 *slot = bpf_map_lookup_elem(&vlans, &key);

    return slot ? vtep_by_slot(*slot) : NULL;
}

/*
 * The slot of the VTEP of a frame that leaves by the device, and the frame without its tag; or a
 * drop reason, negated. A VLAN-aware bridge with vlan_tunnel gives the VNI in tunnel metadata
 * instead of a tag.
 */
XV_STEP int device_vtep_out(struct __sk_buff *skb, const struct xv_vtep *device)
{
    struct xv_vtep *vtep;
    __u32 vid = skb_vid(skb);

    if (!device)
        return -XV_UNKNOWN_VLAN;
    if (vid) {
        vtep = vtep_by_vlan(device->ifindex, vid);
        if (!vtep)
            return -XV_UNKNOWN_VLAN;
        /* The kernel takes a tag off the packet only where skb->protocol says that it is there. */
        if ((!skb->vlan_present && skb->protocol != bpf_htons(ETH_P_8021Q)) ||
            bpf_skb_vlan_pop(skb))
            return -XV_REWRITE_FAILED;
        return vtep->slot;
    }
    vtep = vtep_by_vni(tunnel_key_of_bridge(skb), device->dstport);
    return vtep && vtep->ifindex == device->ifindex ? vtep->slot : -XV_UNKNOWN_VLAN;
}

/* The slot of the VTEP of a frame that the programs have tagged for the device; 0: none. */
XV_STEP int device_vtep_of_tag(struct __sk_buff *skb, const struct xv_vtep *device)
{
    struct xv_vtep *vtep = device ? vtep_by_vlan(device->ifindex, skb_vid(skb)) : NULL;

    return vtep ? vtep->slot : 0;
}

/*
 * The slot of the VTEP of a frame that the kernel's device has decapsulated, and *from, the VTEP
 * that sent it. 0: the frame is not from there; -XV_DEVICE_GONE: its VNI is not the device's.
 */
XV_STEP int device_vtep_in(struct __sk_buff *skb, const struct xv_vtep *device,
                           struct xv_addr *from)
{
    struct xv_vtep *vtep;
    __u32 vni;

    if (!device || !from)
        return 0;
    vni = tunnel_key_received(skb, device->flags & XV_VTEP_V6, from);
    if (!vni)
        return 0;
    vtep = vtep_by_vni(vni, device->dstport);
    return vtep && vtep->ifindex == device->ifindex ? vtep->slot : -XV_DEVICE_GONE;
}

#endif
