// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs, one page each; a stage is a header of its own.
 *
 *                     underlay port                         VTEP's device / local port
 *   in   xdp_underlay --> tc_underlay_ingress ----------------------> device ingress, port
 *        parse . classify . admit . ecn . strip . deliver     tc_device_ingress (by the kernel's
 * device) out  tc_underlay_egress <------------------------------------------ tc_device_egress,
 * tc_port_ingress, xdp_port (next hops)   encap . pmtu . nexthop . fdb . neigh . learn . parse port
 * tc_port_egress: what the bridge sends to a local port table xvtep_fdb_put, for user space
 *
 * The programs repeat what the kernel has done before: what is new goes through its vxlan device,
 * its routing and its bridge, and is remembered where it comes out.
 *
 * An XDP program finishes what it can and passes the rest, uncounted, to the TC program of the
 * same port, which always runs behind it and counts.
 */
#include "bpf/fdb_put.h"
#include "bpf/gro_flow.h"
#include "bpf/port.h"
#include "bpf/send.h"
#include "bpf/underlay_egress.h"
#include "bpf/xdp.h"

#define XV_LEFT 0x100 /* no action: passed on, and the kernel's device may decapsulate it */

static __always_inline __u32 underlay_slot(__u32 ifindex)
{
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);

    return underlay ? underlay->slot : 0;
}

/* The reason on a packet that is to be stripped here, as far as the kernel's checks go. */
static __always_inline int check_packet(struct __sk_buff *skb, struct outer *o,
                                        struct xv_vtep **vtep, struct ethhdr *inner, __u64 now)
{
    struct cursor c = tc_linear(skb, XV_LINEAR);
    struct xv_remote sender;
    int reason, merged;

    reason = tc_in_vlan(skb) ? XV_NOT_IP : parse_outer(&c, o, skb->len);
    if (reason != XV_CONTINUE && !skb->vlan_present && tc_restore_mac(skb)) {
        c = tc_linear(skb, XV_LINEAR);
        reason = parse_outer(&c, o, skb->len);
    }
    if (reason == XV_CONTINUE)
        reason = classify(o, vtep);
    if (reason == XV_CONTINUE && skb->pkt_type == XV_PACKET_OTHERHOST)
        reason = XV_NOT_LOCAL;
    if (reason != XV_CONTINUE)
        return reason;
    if (bpf_skb_load_bytes(skb, o->size, inner, sizeof(*inner)))
        return XV_PKT_TOO_SMALL;
    if (tc_ecn_drops(skb, o, inner->h_proto)) /* before it teaches anything */
        return XV_IP_TUNNEL_ECN;
    merged = flow_uses_gro(skb, &c, o, now);
    sender = dest_from(*vtep, &o->src);
    reason = check_source(*vtep, &sender, inner->h_source, now);
    return reason == XV_CONTINUE && merged ? XV_GSO : reason;
}

/* The action, or XV_LEFT. */
XV_STEP int tc_decap(struct __sk_buff *skb, __u64 now)
{
    __u32 packets = tc_packets(skb);
    struct xv_vtep *vtep = tc_stripped(skb);
    struct outer o = {};
    struct ethhdr inner XV_ALIGN2;
    int reason, action;

    if (vtep) {
        if (bpf_skb_load_bytes(skb, 0, &inner, sizeof(inner)))
            return TC_ACT_SHOT;
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* the inner MAC is not this port's */
        return deliver(skb, vtep, inner.h_dest, now, 0, 1);
    }

    reason = check_packet(skb, &o, &vtep, &inner, now);
    if (reason == XV_CONTINUE)
        reason = tc_ecn(skb, &o, inner.h_proto);
    if (reason == XV_CONTINUE && skb->vlan_present && bpf_skb_vlan_pop(skb))
        reason = XV_REWRITE_FAILED;
    if (reason == XV_CONTINUE)
        reason = tc_strip(skb, &o, &inner);
    if (reason == XV_CONTINUE) {
        if (vtep->flags & XV_VTEP_GBP && o.vxlan.flags & bpf_htonl(XV_VXLAN_FLAG_GBP))
            skb->mark = bpf_ntohl(o.vxlan.flags) & XV_VXLAN_GBP_BITS;
        return deliver(skb, vtep, inner.h_dest, now,
                       inner.h_proto != bpf_htons(o.v6 ? ETH_P_IPV6 : ETH_P_IP), 1);
    }
    if (reason == XV_NOT_UDP)
        pmtu_snoop(skb, now);
    action = to_action(vtep && reason != XV_NOT_LOCAL ? vtep->slot : underlay_slot(skb->ifindex),
                       reason, packets);
    return action == XV_PASS && reason > XV_OTHER_PORT ? XV_LEFT : action;
}

/* Ingress of an underlay port, behind the kernel's GRO. */
SEC("tc")
int xvtep_tc_underlay_ingress(struct __sk_buff *skb)
{
    int action;

    skb->tc_index = 0; /* what it says is ours alone */
    if (!is_alive(skb->ifindex))
        return XV_PASS;
    action = tc_decap(skb, bpf_ktime_get_coarse_ns());
    if (action != XV_LEFT)
        return action;
    sender_remember(skb);
    return XV_PASS;
}

/* Egress of an underlay port: where what the kernel's device sends passes by. */
SEC("tc")
int xvtep_tc_underlay_egress(struct __sk_buff *skb)
{
    __u32 packets = tc_packets(skb);
    int reason;

    if (skb->tc_index != XV_MARK_NO_ENTRY && (skb->tc_index & XV_MARK_TYPE) != XV_MARK_EXPECT)
        return XV_PASS;
    reason = check_sent(skb);
    skb->tc_index = 0;
    if (reason == XV_CONTINUE)
        return XV_PASS;
    return to_action(underlay_slot(skb->ifindex), reason, packets);
}

/* Egress of a VTEP's own device: from the host's stack or the bridge. */
SEC("tc")
int xvtep_tc_device_egress(struct __sk_buff *skb)
{
    struct tx_ctx tx = {.ifindex = skb->ifindex, .redirect = BPF_F_INGRESS};
    struct xv_vtep *vtep = vtep_by_device(skb->ifindex);
    __u32 packets = tc_packets(skb);
    int reason, from_port, many, unknown;
    struct xv_fdb *entry;

    if (!vtep)
        return XV_PASS;
    tx.now = bpf_ktime_get_coarse_ns();
    if (tc_read_eth(skb, &tx.eth))
        return to_action(vtep->slot, XV_REWRITE_FAILED, packets);
    from_port = skb->tc_index == XV_MARK_FROM_PORT;
    skb->tc_index = 0;
    many = mac_is_multicast(tx.eth.h_dest);
    if (many && !from_port)
        to_members(skb, vtep, 0, 0);
    /* Whoever is behind a port answers for itself. */
    entry = vtep->members && !many ? fdb_find(vtep, tx.eth.h_dest, tx.now) : NULL;
    reason = entry && entry->flags & XV_FDB_LOCAL ? XV_CONTINUE : proxy_reply(skb, vtep, &tx);
    if (reason != XV_CONTINUE)
        return tc_finish(vtep->slot, reason, packets, tx.action);

    entry = find_entry(skb, vtep, &tx);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_BRIDGED) || tx.short_circuited) {
            count_reason(vtep->slot, XV_SWITCHED, packets);
            return to_port(skb, &entry->dest, entry->flags, 0);
        }
        if (fdb_bridge_agrees(entry, tx.now))
            return to_action(vtep->slot, XV_PORT_COPY, packets);
        entry = NULL; /* the bridge knows another place for it, or none */
    }
    if (entry && !from_port && !skb->vlan_present)
        fdb_bridge_agreed(entry, tx.now);
    if (!entry && !many && !from_port)
        to_members(skb, vtep, 0, 0);
    unknown = !entry || !addr_is_set(&entry->dest.addr);
    if (!entry)
        entry = fdb_default(vtep);
    reason = send_by_entry(skb, vtep, entry, &tx);
    if (reason == XV_NO_TX_TARGET) { /* the kernel's device drops it, or knows better */
        count_reason(vtep->slot, reason, packets);
        skb->tc_index = XV_MARK_NO_ENTRY;
        return XV_PASS;
    }
    if (reason == XV_FLOODED) /* for other VTEPs of this host */
        skb->tc_index = sender_mark(&vtep->local, vtep->dstport, tx.now);
    else if (reason != XV_CONTINUE && !reason_drops(reason))
        leave_to_kernel(skb, vtep, &entry->dest, unknown, reason == XV_RESOLVE);
    if (reason == XV_RESOLVE && !unknown && tx.no_nexthop)
        count_unanswered(vtep, entry, &tx.eth);
    if (reason == XV_RESOLVE)
        return XV_PASS;
    return tc_finish(vtep->slot, reason, packets, tx.action);
}

/* `ip link set … address`: the kernel says that a frame was for the device itself. */
static __always_inline void follow_mac(struct __sk_buff *skb, struct xv_vtep *vtep)
{
    struct ethhdr eth XV_ALIGN2;

    if (vtep && skb->pkt_type == XV_PACKET_HOST && !tc_read_eth(skb, &eth) &&
        !mac_is_multicast(eth.h_dest) && !mac_equal(eth.h_dest, vtep->mac))
        mac_copy(vtep->mac, eth.h_dest);
}

/*
 * A frame that the kernel's device has decapsulated: the checks of check_source(), and learning.
 * Without a sender (it came by another port, or out of IPsec) only the kernel's device knows where
 * from. Returns XV_TO_LEARN where something was learned, XV_CONTINUE, or a drop reason.
 */
static __always_inline int check_decapped(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                          struct xv_sender *sender, __u64 now)
{
    struct xv_addr nowhere = {};
    struct xv_remote from;
    int reason;

    if (sender)
        sender->admitted = xv_stamp(now) | 1; /* 0 is never */
    if (mac_is_multicast(eth->h_source) || mac_is_zero(eth->h_source))
        return XV_MAC_INVALID_SOURCE;
    if (!(vtep->flags & XV_VTEP_LEARNING))
        return XV_CONTINUE;
    from = dest_from(vtep, sender ? &sender->addr : &nowhere);
    reason = fdb_check(vtep, eth->h_source, &from, 0, vtep->renew_shift, now);
    if (reason == XV_TO_LEARN)
        fdb_learn(vtep, eth->h_source, &from, 0, now);
    return reason_drops(reason) && !sender ? XV_CONTINUE : reason;
}

/*
 * Ingress of a VTEP's own device: what the kernel's device has decapsulated (bpf/sender.h) is
 * learned, goes to the local ports too, and is counted.
 */
SEC("tc")
int xvtep_tc_device_ingress(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 mark = skb->tc_index;
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    struct ethhdr eth XV_ALIGN2;
    int reason;

    if (mark == XV_MARK_BRIDGE_COPY)
        return XV_PASS;
    skb->tc_index = 0;
    if (mark == XV_MARK_DELIVERED)
        return XV_PASS;
    vtep = vtep_by_device(skb->ifindex);
    follow_mac(skb, vtep);
    if (mark == XV_MARK_DELIVERED_OTHER_MAC || !vtep || tc_read_eth(skb, &eth))
        return XV_PASS;
    reason = XV_CONTINUE; /* for the kernel's own ICMP errors about what we left to it */
    if ((mark & XV_MARK_TYPE) != XV_MARK_EXPECT)
        reason = check_decapped(vtep, &eth, sender_of_mark(mark), now);
    if (reason_drops(reason))
        return to_action(vtep->slot, reason, tc_packets(skb));
    count_delivered(skb, vtep);
    entry = fdb_find_local(vtep, eth.h_dest, now);
    if (entry && entry->flags & XV_FDB_BRIDGED && reason == XV_TO_LEARN)
        return XV_PASS; /* the bridge learns its source, too */
    if (entry)
        return to_known_port(skb, vtep, entry, now, 1);
    if (vtep->members && !mac_equal(eth.h_dest, vtep->mac))
        to_members(skb, vtep, 0, 0);
    return XV_PASS;
}

/* Egress of a bridged local port: what the bridge sends there shows that it agrees. */
SEC("tc")
int xvtep_tc_port_egress(struct __sk_buff *skb)
{
    __u32 ifindex = skb->ifindex, mark = skb->tc_index;
    struct ethhdr eth XV_ALIGN2;
    struct xv_port *port;
    struct xv_vtep *vtep;
    struct xv_fdb *entry;
    __u64 now;

    skb->tc_index = 0;
    if (mark == XV_MARK_DELIVERED)
        return XV_PASS;
    port = port_of(ifindex);
    if (!port || !(port->flags & XV_PORT_BRIDGED) || skb->vlan_present || tc_read_eth(skb, &eth) ||
        mac_is_multicast(eth.h_dest))
        return XV_PASS;
    vtep = vtep_by_slot(port->vtep);
    now = bpf_ktime_get_coarse_ns();
    entry = vtep ? fdb_find(vtep, eth.h_dest, now) : NULL;
    if (!entry)
        return XV_PASS;
    if (!(entry->flags & XV_FDB_LOCAL) || entry->dest.ifindex != ifindex) {
        if (!mac_equal(eth.h_dest, port->claimed_mac))
            return XV_PASS;
        if (!(entry->flags &
              XV_FDB_CLAIMED)) { /* a flood comes by tc_device_egress, too, which says no */
            entry->flags |= XV_FDB_CLAIMED;
            return XV_PASS;
        }
        mac_copy(eth.h_source, eth.h_dest);
        port_take(vtep, port, &eth, ifindex, now);
        return XV_PASS;
    }
    fdb_bridge_agreed(entry, now);
    return mark == XV_MARK_BRIDGE_COPY ? TC_ACT_SHOT : XV_PASS;
}

/* Ingress of a local port: a container's veth or a trunk. */
SEC("tc")
int xvtep_tc_port_ingress(struct __sk_buff *skb)
{
    __u32 packets = tc_packets(skb), ifindex = skb->ifindex;
    struct tx_ctx tx = {.ifindex = ifindex};
    struct xv_fdb *entry = NULL;
    int reason, for_host, known, bridged, agreed;
    struct xv_port *port;
    struct xv_vtep *vtep;

    port = port_of(ifindex);
    if (!port)
        return XV_PASS;
    skb->tc_index = 0; /* what it says is ours alone */
    if (port->mode == XV_MODE_SKB)
        tc_restore_mac(skb);
    vtep = port_vtep(port, ifindex, tc_vlan(skb), &tx.vid);
    if (!vtep)
        return to_action(port->slot, port->flags & XV_PORT_TRUNK ? XV_UNKNOWN_VLAN : XV_TO_BRIDGE,
                         packets);
    tx.now = bpf_ktime_get_coarse_ns();
    if (tc_read_eth(skb, &tx.eth))
        return to_action(port->slot, XV_REWRITE_FAILED, packets);
    if (mac_is_multicast(tx.eth.h_source) || mac_is_zero(tx.eth.h_source))
        return to_action(vtep->slot, XV_MAC_INVALID_SOURCE, packets);
    if (tx.vid && bpf_skb_vlan_pop(skb))
        return to_action(port->slot, XV_REWRITE_FAILED, packets);

    bridged = port->flags & XV_PORT_BRIDGED && !tx.vid; /* a mapped VLAN is not that bridge's */
    if (port_check(vtep, port, &tx.eth, (__u64)tx.vid << 32 | ifindex, tx.now) == XV_TO_LEARN) {
        port_learn(vtep, port, &tx.eth, (__u64)tx.vid << 32 | ifindex, tx.now);
        if (bridged)
            return to_action(port->slot, XV_TO_BRIDGE, packets);
    }
    if (!mac_is_multicast(tx.eth.h_dest) && !mac_is_zero(tx.eth.h_dest))
        entry = find_entry(skb, vtep, &tx);
    agreed = entry && (tx.short_circuited || fdb_bridge_agrees(entry, tx.now));
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (entry->dest.ifindex == ifindex && entry->dest.vid == tx.vid)
            return to_action(vtep->slot, XV_HAIRPIN, packets);
        if (bridged && !agreed)
            return to_action(port->slot, XV_TO_BRIDGE, packets);
        if (entry->flags & XV_FDB_BRIDGED && !agreed && !is_alive(vtep->ifindex))
            return to_action(vtep->slot, XV_DEVICE_GONE, packets);
        count_reason(vtep->slot, XV_SWITCHED, packets);
        if (entry->flags & XV_FDB_BRIDGED && !agreed)
            return to_device(skb, vtep, tx.eth.h_dest);
        return to_port(skb, &entry->dest, entry->flags, 1);
    }

    for_host = mac_equal(tx.eth.h_dest, vtep->mac);
    known = entry && !(bridged && (for_host || !agreed));
    if (!known) {
        if (bridged && !tx.short_circuited)
            return to_action(port->slot, XV_TO_BRIDGE, packets);
        if (!is_alive(vtep->ifindex))
            return to_action(vtep->slot, XV_DEVICE_GONE, packets);
        if (bridged) /* its source is a router's now: not for the bridge */
            return bpf_redirect(vtep->ifindex, 0);
        /* No bridge: this port, the others and the VTEP's device are one switch. */
        if (for_host) {
            count_reason(vtep->slot, XV_SWITCHED, packets);
            return to_device(skb, vtep, tx.eth.h_dest);
        }
        to_members(skb, vtep, ifindex, tx.vid);
        skb->tc_index = XV_MARK_DELIVERED_OTHER_MAC;
        bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
    }
    reason = proxy_reply(skb, vtep, &tx);
    if (reason == XV_CONTINUE && known)
        reason = send_by_entry(skb, vtep, entry, &tx);
    else if (reason == XV_CONTINUE)
        reason = XV_RESOLVE;
    if (reason != XV_CONTINUE && !reason_drops(reason) && !is_alive(vtep->ifindex))
        return to_action(port->slot, bridged ? XV_TO_BRIDGE : XV_DEVICE_GONE, packets);
    if (reason != XV_CONTINUE && !reason_drops(reason)) {
        skb->tc_index = XV_MARK_FROM_PORT;
        return bpf_redirect(vtep->ifindex,
                            0); /* tc_device_egress comes to the same reason, and counts */
    }
    return tc_finish(vtep->slot, reason, packets, tx.action);
}

/* Underlay port, before the kernel makes an skb of the frame. */
SEC("xdp.frags")
int xvtep_xdp_underlay(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    struct xv_fdb *entry;
    struct xv_remote sender;
    struct xv_vtep *vtep;
    struct ethhdr *inner;
    struct outer o = {};
    int reason;

    if (!is_alive(xdp->ingress_ifindex))
        return XDP_PASS;
    reason = parse_outer(&c, &o, c.end - c.at);
    if (reason == XV_BAD_LENGTH) { /* or in fragments */
        c = xdp_cursor(xdp);
        reason = parse_outer(&c, &o, bpf_xdp_get_buff_len(xdp));
    }
    if (reason != XV_CONTINUE)
        return XDP_PASS;
    reason = classify(&o, &vtep);
    if (reason != XV_CONTINUE)
        return vtep ? xdp_to_action(vtep->slot, reason) : XDP_PASS;
    /* The mark is the skb's, and so is whose packet it is when the port's MAC was changed. */
    if (vtep->flags & XV_VTEP_GBP || !xdp_is_for_host(xdp, vtep))
        return XDP_PASS;
    inner = take(&c, sizeof(*inner));
    if (!inner)
        return xdp_to_action(vtep->slot, XV_PKT_TOO_SMALL);
    sender = dest_from(vtep, &o.src);
    reason = check_source(vtep, &sender, inner->h_source, now);
    if (reason == XV_CONTINUE)
        reason = xdp_ecn(&c, &o, inner->h_proto);
    if (reason != XV_CONTINUE)
        return xdp_to_action(vtep->slot, reason);
    entry = fdb_find_local(vtep, inner->h_dest, now);
    if (entry && entry->flags & XV_FDB_XDP && !entry->dest.vid &&
        !fdb_bridge_needs_copy(entry, now))
        return xdp_to_port(xdp, vtep, &o, entry->dest.ifindex);
    return xdp_hand_up(xdp, vtep, &o);
}

/* Local port, before the kernel makes an skb of the frame: known VTEPs with a fresh next nexthop.
 */
SEC("xdp.frags")
int xvtep_xdp_port(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 ifindex = xdp->ingress_ifindex, vid = 0;
    struct xv_port *port;
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    struct ethhdr *eth;

    port = port_of(ifindex);
    eth = take(&c, sizeof(*eth));
    if (!port || !eth || eth->h_proto == bpf_htons(ETH_P_8021Q) ||
        eth->h_proto == bpf_htons(ETH_P_8021AD))
        return XDP_PASS;
    vtep = port_vtep(port, ifindex, 0, &vid);
    if (!vtep || mac_is_multicast(eth->h_source) || mac_is_zero(eth->h_source) ||
        mac_is_multicast(eth->h_dest) || mac_is_zero(eth->h_dest))
        return XDP_PASS;
    if (port_check(vtep, port, eth, ifindex, now) != XV_CONTINUE)
        return XDP_PASS;
    entry = fdb_find(vtep, eth->h_dest, now);
    if (!entry || entry->remotes > 1 || mac_equal(eth->h_dest, vtep->mac) ||
        (port->flags & XV_PORT_BRIDGED && !fdb_bridge_agrees(entry, now)) ||
        xdp_is_for_tc(vtep, eth, entry))
        return XDP_PASS;
    if (entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_XDP) || entry->dest.vid || entry->dest.ifindex == ifindex ||
            (entry->flags & XV_FDB_BRIDGED && !fdb_bridge_agrees(entry, now)))
            return XDP_PASS;
        count_reason(vtep->slot, XV_SWITCHED, 1);
        return bpf_redirect_map(&alive, entry->dest.ifindex, XDP_DROP);
    }
    return xdp_encap(xdp, vtep, &c, eth, entry, now);
}

/* Attached nowhere. */
SEC("tc")
int xvtep_fdb_put(struct __sk_buff *skb)
{
    return put_rows(skb);
}

char LICENSE[] SEC("license") = "GPL";
