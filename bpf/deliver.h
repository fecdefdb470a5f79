/* SPDX-License-Identifier: GPL-2.0-only */
/* The last stage of a frame from the tunnel: a local port, the VTEP's own device, or all of them.
 */
#ifndef XVTEP_BPF_DELIVER_H
#define XVTEP_BPF_DELIVER_H

#include "bpf/tc.h"

/* `ingress`: we are at a TC ingress, where the container's end of a veth is in reach. */
static __always_inline int to_port(struct __sk_buff *skb, const struct xv_remote *dest, __u16 flags,
                                   int ingress)
{
    if (dest->vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), dest->vid))
        return TC_ACT_SHOT;
    skb->tc_index = XV_MARK_DELIVERED;
    if (flags & XV_FDB_PEER && ingress && !dest->vid) {
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* it may have come by multicast outside */
        return bpf_redirect_peer(dest->ifindex, 0);
    }
    return bpf_redirect(dest->ifindex, 0);
}

/*
 * To the local port that `entry` names, from the tunnel. The bridge gets a copy now and then, by
 * which it sees the source; tc_port_egress drops it at the same port. The frame itself keeps its
 * place among the others.
 */
static __always_inline int to_known_port(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                         const struct xv_fdb *entry, __u64 now, int ingress)
{
    if (fdb_bridge_needs_copy(entry, now) && is_alive(vtep->ifindex)) {
        skb->tc_index = XV_MARK_BRIDGE_COPY;
        bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
    }
    return to_port(skb, &entry->dest, entry->flags, ingress);
}

struct member_loop {
    struct __sk_buff *skb;
    __u32 slot;
    __u32 except_ifindex, except_vid;
};

static long clone_to_member(__u32 index, void *context)
{
    struct member_loop *loop = context;
    struct xv_member_key key = {.slot = loop->slot, .index = index};
    struct xv_member *member = bpf_map_lookup_elem(&members, &key);

    if (!member || !is_alive(member->ifindex))
        return 0;
    if (member->ifindex == loop->except_ifindex && member->vid == loop->except_vid)
        return 0;
    if (member->vid && bpf_skb_vlan_push(loop->skb, bpf_htons(ETH_P_8021Q), member->vid))
        return 0;
    bpf_clone_redirect(loop->skb, member->ifindex, 0);
    if (member->vid)
        bpf_skb_vlan_pop(loop->skb);
    return 0;
}

/* A copy to each port that no bridge serves, but not to where the frame came from. */
XV_STEP int to_members(struct __sk_buff *skb, const struct xv_vtep *vtep, __u32 except_ifindex,
                       __u32 except_vid)
{
    struct member_loop loop = {
        .skb = skb, .except_ifindex = except_ifindex, .except_vid = except_vid};

    if (!vtep || !vtep->members)
        return 0;
    loop.slot = vtep->slot;
    bpf_loop(vtep->members, clone_to_member, &loop, 0);
    return 0;
}

/*
 * To the stack or the bridge, past tc_device_ingress, which only looks whether `mac` is the
 * device's. The device is alive.
 */
static __always_inline int to_device(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                     const __u8 *mac)
{
    skb->tc_index = mac_equal(mac, vtep->mac) ? XV_MARK_DELIVERED : XV_MARK_DELIVERED_OTHER_MAC;
    return bpf_redirect(vtep->ifindex, BPF_F_INGRESS);
}

/* A frame, or what a GSO packet stands for, is delivered. */
XV_STEP int count_delivered(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    __u64 bytes = skb->len;
    __u32 packets = 1;

    if (!vtep)
        return 0;
    if (skb->gso_size) {
        struct inner in = {};

        parse_frame(skb, &in);
        packets = tc_segments(skb, in.headers);
        bytes += (__u64)(packets - 1) * in.headers;
    }
    count_rx(vtep->slot, packets, bytes);
    return 0;
}

/*
 * A stripped frame. `fix_proto`: skb->protocol is still the outer packet's. `ingress`: we are at a
 * TC ingress.
 */
static __always_inline int deliver(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   const __u8 *mac, __u64 now, int fix_proto, int ingress)
{
    struct xv_fdb *entry = fdb_find_local(vtep, mac, now);

    if (!entry && !is_alive(vtep->ifindex))
        return to_action(vtep->slot, XV_DEVICE_GONE, tc_packets(skb));
    if (skb->gso_size)
        count_delivered(skb, vtep);
    else
        count_rx(vtep->slot, 1, skb->len);
    if (entry) {
        if (fix_proto && skb_fix_proto(skb))
            return TC_ACT_SHOT;
        return to_known_port(skb, vtep, entry, now, ingress);
    }
    if (vtep->members && !mac_equal(mac, vtep->mac)) {
        if (fix_proto && skb_fix_proto(skb))
            return TC_ACT_SHOT;
        to_members(skb, vtep, 0, 0);
    }
    return to_device(skb, vtep, mac);
}

#endif
