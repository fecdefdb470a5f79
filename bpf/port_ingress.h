/* SPDX-License-Identifier: GPL-2.0-only */
/* Ingress of a local port: a frame goes to another port, to the bridge, or into the tunnel. */
#ifndef XVTEP_BPF_PORT_INGRESS_H
#define XVTEP_BPF_PORT_INGRESS_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/deliver.h"
#include "bpf/device_vlan.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/proxy.h"
#include "bpf/send.h"
#include "bpf/skb.h"
#include "bpf/tx_ctx.h"

/* A frame from a local port. */
struct port_frame {
    struct xv_port *port;
    struct xv_vtep *vtep;
    struct xv_fdb *entry; /* of its destination, or NULL */
    __u32 packets;
    __u8 bridged; /* the port's bridge serves this frame's VLAN; not a VLAN that a trunk maps */
    __u8 agreed;  /* the bridge agrees with the entry, or need not be asked */
};

/* To the local port of the entry. Returns the action. */
static __always_inline int port_to_port(struct __sk_buff *skb, const struct port_frame *f,
                                        const struct tx_ctx *tx)
{
    const struct xv_fdb *entry = f->entry;
    const struct xv_vtep *vtep = f->vtep;
    int by_bridge = entry->flags & XV_FDB_BRIDGED && !f->agreed;

    if (f->bridged && !f->agreed) /* it may know that the MAC has moved away from this port */
        return to_action(f->port->slot, XV_TO_BRIDGE, f->packets);
    if (entry->to == tx->ifindex && entry->several == tx->vid)
        return to_action(vtep->slot, XV_HAIRPIN, f->packets);
    if (by_bridge && !is_alive(vtep->ifindex))
        return to_action(vtep->slot, XV_DEVICE_GONE, f->packets);
    count_reason(vtep->slot, XV_SWITCHED, f->packets);
    if (by_bridge)
        return to_device(skb, vtep, tx->eth.h_dest);
    return to_port(skb, entry, XV_HOOK_INGRESS);
}

/* Hands the frame to tc_device_egress of the VTEP's device. Returns the action. */
static __always_inline int to_device_egress(struct __sk_buff *skb, const struct xv_vtep *vtep)
{
    return push_device_vlan(skb, vtep) ? TC_ACT_SHOT : bpf_redirect(vtep->ifindex, 0);
}

/* The result of to_bridge_or_flood(). */
enum flood { XV_FLOOD_DONE, XV_FLOOD_TO_TUNNEL };

/*
 * To the bridge. If the port has none, then this port, the other ports and the VTEP's device are
 * one switch, which delivers or floods the frame. XV_FLOOD_DONE: *action is set;
 * XV_FLOOD_TO_TUNNEL: the frame must still go into the tunnel.
 */
static __always_inline enum flood to_bridge_or_flood(struct __sk_buff *skb,
                                                     const struct port_frame *f,
                                                     const struct tx_ctx *tx, int *action)
{
    const struct xv_vtep *vtep = f->vtep;

    if (f->bridged && !tx->short_circuited) {
        *action = to_action(f->port->slot, XV_TO_BRIDGE, f->packets);
        return XV_FLOOD_DONE;
    }
    if (!is_alive(vtep->ifindex)) {
        *action = to_action(vtep->slot, XV_DEVICE_GONE, f->packets);
        return XV_FLOOD_DONE;
    }
    if (f->bridged) { /* its source is now a router's MAC, which the bridge must not learn here */
        *action = to_device_egress(skb, vtep);
        return XV_FLOOD_DONE;
    }
    if (mac_equal(tx->eth.h_dest, vtep->mac)) {
        count_reason(vtep->slot, XV_SWITCHED, f->packets);
        *action = to_device(skb, vtep, tx->eth.h_dest);
        return XV_FLOOD_DONE;
    }
    to_members_except(skb, vtep, tx->ifindex, tx->vid);
    skb->tc_index = XV_MARK_DELIVERED_OTHER_MAC;
    if (!push_device_vlan(skb, vtep)) {
        bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
        pop_device_vlan(skb, vtep);
    }
    return XV_FLOOD_TO_TUNNEL;
}

/* Into the tunnel by the entry; `known`: 0 if the VTEP's device must decide. Returns the action. */
static __always_inline int port_to_tunnel(struct __sk_buff *skb, const struct port_frame *f,
                                          struct tx_ctx *tx, int known)
{
    const struct xv_vtep *vtep = f->vtep;
    int reason = proxy(skb, vtep, tx);

    if (reason == XV_CONTINUE)
        reason = known ? send_by_entry(skb, vtep, f->entry, tx) : XV_RESOLVE;
    if (!reason_passes(reason))
        return tx_to_action(tx, vtep->slot, reason, f->packets);
    if (!is_alive(vtep->ifindex))
        return to_action(f->port->slot, f->bridged ? XV_TO_BRIDGE : XV_DEVICE_GONE, f->packets);
    skb->tc_index = XV_MARK_FROM_PORT;
    return to_device_egress(skb, vtep); /* tc_device_egress finds the same reason, and counts */
}

/* To another port, to the bridge, or into the tunnel. Returns the action. */
static __always_inline int port_forward(struct __sk_buff *skb, const struct port_frame *f,
                                        struct tx_ctx *tx)
{
    int known, action;

    if (f->entry && f->entry->flags & XV_FDB_LOCAL)
        return port_to_port(skb, f, tx);
    known = f->entry && !(f->bridged && (!f->agreed || mac_equal(tx->eth.h_dest, f->vtep->mac)));
    if (!known && to_bridge_or_flood(skb, f, tx, &action) == XV_FLOOD_DONE)
        return action;
    return port_to_tunnel(skb, f, tx, known);
}

#endif
