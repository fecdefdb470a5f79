/* SPDX-License-Identifier: GPL-2.0-only */
/* Delivers a frame: to a local port, to the VTEP's own device, or to all ports without a bridge. */
#ifndef XVTEP_BPF_DELIVER_H
#define XVTEP_BPF_DELIVER_H

#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/device_vlan.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/parse_inner.h"
#include "bpf/remote.h"
#include "bpf/skb.h"
#include "bpf/vlan.h"

/* The hook of the program. bpf_redirect_peer() into a container works only at a TC ingress. */
enum xv_hook { XV_HOOK_EGRESS, XV_HOOK_INGRESS };

/* Whether skb->protocol is that of the frame, or still that of the outer packet. */
enum xv_proto { XV_PROTO_VALID, XV_PROTO_STALE };

/* Redirects to the local port of the FDB entry. */
static __always_inline int to_port(struct __sk_buff *skb, const struct xv_fdb *entry,
                                   enum xv_hook hook)
{
    __u32 ifindex = entry->to, vid = entry->several;

    if (vid && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vid))
        return TC_ACT_SHOT;
    skb->tc_index = XV_MARK_DELIVERED;
    if (entry->flags & XV_FDB_PEER && hook == XV_HOOK_INGRESS && !vid) {
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* the outer packet may have been multicast */
        return bpf_redirect_peer(ifindex, 0);
    }
    return bpf_redirect(ifindex, 0);
}

/*
 * Redirects a frame from the tunnel to the local port of `entry`. From time to time the bridge gets
 * a copy, from which it learns the source; tc_port_egress drops the copy at the same port. The
 * frame itself takes the usual way, so that it keeps its order.
 */
static __always_inline int to_known_port(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                         const struct xv_fdb *entry, __u64 now, enum xv_hook hook)
{
    if (fdb_bridge_needs_copy(entry, now) && is_alive(vtep->ifindex)) {
        skb->tc_index = XV_MARK_BRIDGE_COPY;
        if (!push_device_vlan(skb, vtep)) {
            bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
            pop_device_vlan(skb, vtep);
        }
    }
    return to_port(skb, entry, hook);
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

/* Sends a copy to each port that no bridge serves, except the one that the frame came from. */
XV_STEP int to_members_except(struct __sk_buff *skb, const struct xv_vtep *vtep,
                              __u32 except_ifindex, __u32 except_vid)
{
    struct member_loop loop = {
        .skb = skb, .except_ifindex = except_ifindex, .except_vid = except_vid};

    if (!vtep || !vtep->members)
        return 0;
    loop.slot = vtep->slot;
    bpf_loop(vtep->members, clone_to_member, &loop, 0);
    return 0;
}

/* Sends a copy to each port that no bridge serves. */
static __always_inline void to_members(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    to_members_except(skb, vtep, 0, 0);
}

/*
 * Redirects to the host's stack or the bridge, through the VTEP's device, which must be alive.
 * tc_device_ingress lets the frame pass, and only looks whether `mac` is the device's.
 */
static __always_inline int to_device(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                     const __u8 *mac)
{
    if (push_device_vlan(skb, vtep))
        return TC_ACT_SHOT;
    skb->tc_index = mac_equal(mac, vtep->mac) ? XV_MARK_DELIVERED : XV_MARK_DELIVERED_OTHER_MAC;
    return bpf_redirect(vtep->ifindex, BPF_F_INGRESS);
}

/*
 * Counts a frame from the tunnel as received; a GSO packet counts as its segments. `sender`: NULL
 * if it is not known.
 */
XV_STEP int count_delivered(struct __sk_buff *skb, const struct xv_vtep *vtep,
                            struct xv_remote *sender, __u64 now)
{
    __u64 bytes = skb->len;
    __u32 packets = 1;

    if (!vtep)
        return 0;
    if (skb->gso_size) {
        struct inner in = {};

        parse_frame(skb, &in);
        packets = skb_segments(skb, in.headers);
        bytes += (__u64)(packets - 1) * in.headers;
    }
    count_rx_from(vtep, sender, packets, bytes, now);
    return 0;
}

/*
 * Delivers a frame to `mac` from the tunnel, after the outer headers are removed. `sender`: NULL if
 * it is not known.
 */
static __always_inline int deliver(struct __sk_buff *skb, const struct xv_vtep *vtep,
                                   struct xv_remote *sender, const __u8 *mac, __u64 now,
                                   enum xv_proto proto, enum xv_hook hook)
{
    struct xv_fdb *entry = fdb_find_local(vtep, mac, now);

    if (!entry && !is_alive_now(vtep->ifindex, now))
        return to_action(vtep->slot, XV_DEVICE_GONE, skb_packets(skb));
    if (skb->gso_size)
        count_delivered(skb, vtep, sender, now);
    else
        count_rx_from(vtep, sender, 1, skb->len, now);
    if (entry) {
        if (proto == XV_PROTO_STALE && skb_fix_proto(skb))
            return TC_ACT_SHOT;
        return to_known_port(skb, vtep, entry, now, hook);
    }
    if (vtep->members && !mac_equal(mac, vtep->mac) && !fdb_is_remote(vtep, mac, now)) {
        if (proto == XV_PROTO_STALE && skb_fix_proto(skb))
            return TC_ACT_SHOT;
        to_members(skb, vtep);
    }
    return to_device(skb, vtep, mac); /* the kernel sets skb->protocol there */
}

#endif
