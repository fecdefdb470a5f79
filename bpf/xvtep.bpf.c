// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs. Each stage of a packet's way is a header of its own.
 *
 * in   underlay port: xdp_underlay, tc_underlay_ingress     -> the VTEP's device, a local port
 *          parse_outer, decision, classify, remote, source_mac, sender, decap, deliver
 *      the VTEP's device: tc_device_ingress                 what the kernel's device decapsulates
 *          device_ingress, source_mac, deliver
 *
 * out  the VTEP's device: tc_device_egress                  -> underlay port, by a known next hop
 *      local port: xdp_port, tc_port_ingress                -> the same, another port, the bridge
 *          decision, port, fdb, remote, proxy, rsc, send, nexthop, multipath, source_port, tc_encap
 *      underlay port: tc_underlay_egress                    what the kernel's device sends
 *          underlay_egress, stranger, fib, multipath
 *      local port: tc_port_egress                           what the bridge sends to a local port
 *
 * fdb_put and counters_add are attached nowhere: user space runs them.
 *
 * The programs repeat what the kernel has done before: a new packet goes through its vxlan device,
 * its routing and its bridge, and the programs remember what comes out (docs/datapath.md).
 *
 * An XDP program finishes what it can, and passes the rest, uncounted, to the TC program of the
 * same port, which always runs behind it and counts.
 */
#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/classify.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/counters_add.h"
#include "bpf/cursor.h"
#include "bpf/decap.h"
#include "bpf/decision.h"
#include "bpf/deliver.h"
#include "bpf/device_by_key.h"
#include "bpf/device_egress.h"
#include "bpf/device_ingress.h"
#include "bpf/device_vlan.h"
#include "bpf/fdb.h"
#include "bpf/fdb_put.h"
#include "bpf/l3_ingress.h"
#include "bpf/maps.h"
#include "bpf/marks.h"
#include "bpf/parse_outer.h"
#include "bpf/pmtu.h"
#include "bpf/port.h"
#include "bpf/port_ingress.h"
#include "bpf/proxy.h"
#include "bpf/rsc.h"
#include "bpf/sender.h"
#include "bpf/skb.h"
#include "bpf/source_mac.h"
#include "bpf/stranger.h"
#include "bpf/tx_ctx.h"
#include "bpf/underlay_egress.h"
#include "bpf/vlan.h"
#include "bpf/vtep.h"
#include "bpf/xdp.h"
#include "bpf/xdp_decap.h"
#include "bpf/xdp_encap.h"

static __always_inline __u32 underlay_slot(__u32 ifindex)
{
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);

    return underlay ? underlay->slot : 0;
}

/* Leaves to the stack, or drops, what tc_decap() has not delivered. Returns the action. */
static __always_inline int not_decapsulated(struct __sk_buff *skb, struct decap *result,
                                            __u32 packets, __u64 now)
{
    if (result->reason == XV_NOT_UDP)
        pmtu_snoop(skb, now);
    if (result->reason == XV_FRAGMENT || result->reason == XV_IP_OPTIONS) {
        result->slot = stranger_to(skb);
        if (result->slot)
            result->reason = XV_UNKNOWN_REMOTE;
    }
    if (is_left_to_device(result->reason))
        mark_sender(skb);
    return to_action(result->slot ? result->slot : underlay_slot(skb->ifindex), result->reason,
                     packets);
}

/* Ingress of an underlay port, after the kernel's GRO. */
SEC("tc")
int xvtep_tc_underlay_ingress(struct __sk_buff *skb)
{
    __u32 packets = skb_packets(skb), ifindex = skb->ifindex;
    __u64 now = bpf_ktime_get_coarse_ns();
    struct decap result = {};

    skb->tc_index = 0; /* another namespace may have set it */
    if (!is_alive_now(ifindex, now))
        return XV_PASS;
    tc_decap(skb, now, &result);
    if (result.unparsed && !skb->vlan_present &&
        (skb_restore_mac(skb) || (result.reason == XV_NOT_IP && skb_drop_device_tag(skb))))
        tc_decap(skb, now, &result);
    if (result.reason == XV_CONTINUE)
        return result.action;
    return not_decapsulated(skb, &result, packets, now);
}

/* The same of a port whose packets have no Ethernet header. */
SEC("tc")
int xvtep_tc_l3_ingress(struct __sk_buff *skb)
{
    __u32 packets = skb_packets(skb), ifindex = skb->ifindex;
    __u64 now = bpf_ktime_get_coarse_ns();
    struct decap result = {};
    int reason;

    skb->tc_index = 0; /* another namespace may have set it */
    if (!is_alive_now(ifindex, now))
        return XV_PASS;
    reason = l3_to_frame(skb);
    if (reason != XV_CONTINUE)
        return to_action(underlay_slot(ifindex), reason, packets);
    tc_decap(skb, now, &result);
    if (result.reason == XV_CONTINUE)
        return result.action;
    return not_decapsulated(skb, &result, packets, now);
}

/* Egress of an underlay port: sees the packets that the kernel's device sends. */
static __always_inline int underlay_egress(struct __sk_buff *skb, enum port_kind kind)
{
    struct sent_action result = {.action = XV_PASS};
    __u32 packets;
    int reason;

    if (skb->tc_index != XV_MARK_NO_ENTRY && !(skb->tc_index & XV_MARK_SENDER))
        return XV_PASS;
    packets = skb_packets(skb);
    reason = kind == XV_PORT_L3 ? check_sent_packet(skb, &result) : check_sent_frame(skb, &result);
    skb->tc_index = 0;
    if (reason == XV_CONTINUE)
        return result.action;
    return to_action(underlay_slot(skb->ifindex), reason, packets);
}

SEC("tc")
int xvtep_tc_underlay_egress(struct __sk_buff *skb)
{
    return underlay_egress(skb, XV_PORT_ETHERNET);
}

SEC("tc")
int xvtep_tc_l3_egress(struct __sk_buff *skb)
{
    return underlay_egress(skb, XV_PORT_L3);
}

/* Egress of a VTEP's own device: frames from the host's stack or the bridge. */
SEC("tc")
int xvtep_tc_device_egress(struct __sk_buff *skb)
{
    struct tx_ctx tx = {
        .now = bpf_ktime_get_coarse_ns(), .ifindex = skb->ifindex, .redirect = BPF_F_INGRESS};
    struct xv_vtep *vtep = vtep_by_device(skb->ifindex, tx.now);
    __u32 packets = skb_packets(skb);
    int reason, from_port, many;
    struct xv_fdb *entry;

    if (!vtep)
        return XV_PASS;
    if (vtep->flags & XV_VTEP_DEVICE) {
        if (has_tunnel_key(skb))
            return XV_PASS;
        reason = device_vtep_out(skb, vtep);
        if (reason <= 0)
            return to_action(vtep->slot, -reason, packets);
        vtep = vtep_by_slot(reason);
        if (!vtep)
            return TC_ACT_SHOT;
        tx.vid = vtep->vid;
    }
    if (skb_read_eth(skb, &tx.eth))
        return to_action(vtep->slot, XV_REWRITE_FAILED, packets);
    from_port = skb->tc_index == XV_MARK_FROM_PORT;
    skb->tc_index = 0;
    if (from_port)
        answer_to_port(vtep, &tx);
    many = mac_is_multicast(tx.eth.h_dest);
    if (many && !from_port)
        to_members(skb, vtep);
    if (!is_to_local_port(vtep, &tx)) {
        reason = proxy(skb, vtep, &tx);
        if (reason != XV_CONTINUE)
            return tx_to_action(&tx, vtep->slot, reason, packets);
    }

    entry = fdb_find_nonzero(vtep, tx.eth.h_dest, tx.now);
    entry = rsc(skb, vtep, entry, &tx);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_BRIDGED) || tx.short_circuited) {
            count_reason(vtep->slot, XV_SWITCHED, packets);
            return to_port(skb, entry, XV_HOOK_EGRESS);
        }
        if (fdb_bridge_agrees(entry, tx.now))
            return to_action(vtep->slot, XV_PORT_COPY, packets);
        entry = NULL; /* the bridge knows another place for it, or none */
    }
    if (entry && !from_port && !skb->vlan_present)
        fdb_bridge_agreed(entry, tx.now);
    if (!entry && !many && !from_port)
        to_members(skb, vtep);
    return device_to_tunnel(skb, vtep, entry, &tx, packets);
}

/* Ingress of a VTEP's own device: the source is learned, and local ports get the frame, too. */
SEC("tc")
int xvtep_tc_device_ingress(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 mark = skb->tc_index;
    struct ethhdr eth XV_ALIGN2;
    int reason = XV_CONTINUE;
    struct xv_sender *from;
    struct xv_addr *address;
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    struct xv_addr key;

    if (mark == XV_MARK_BRIDGE_COPY)
        return XV_PASS;
    skb->tc_index = 0;
    if (mark == XV_MARK_DELIVERED)
        return XV_PASS;
    vtep = vtep_by_device(skb->ifindex, now);
    from = sender_of_mark(mark);
    address = from ? &from->addr : NULL;
    if (vtep && vtep->flags & XV_VTEP_DEVICE) {
        int slot = mark == XV_MARK_DELIVERED_OTHER_MAC ? device_vtep_of_tag(skb, vtep)
                                                       : device_vtep_in(skb, vtep, &key);

        if (slot < 0)
            return to_action(vtep->slot, -slot, skb_packets(skb));
        vtep = slot ? vtep_by_slot(slot) : NULL;
        if (!address)
            address = &key;
    }
    follow_mac(skb, vtep, mark, from);
    if (mark == XV_MARK_DELIVERED_OTHER_MAC || !vtep || skb_read_eth(skb, &eth))
        return XV_PASS;
    /* With this mark it is an ICMP error of the kernel about a frame that we left to it. */
    if ((mark & XV_MARK_TYPE) != XV_MARK_EXPECT && !is_own_error(skb, vtep, from))
        reason = learn_source(vtep, &eth, from, address, now);
    else if (source_mac_is_invalid(eth.h_source)) /* about a frame to many: a bridge drops it */
        return XV_PASS;
    if (reason_drops(reason))
        return to_action(vtep->slot, reason, skb_packets(skb));
    count_delivered(skb, vtep, from ? remote_of_sender(vtep, &from->addr) : NULL, now);
    entry = fdb_find_local(vtep, eth.h_dest, now);
    if (entry && entry->flags & XV_FDB_BRIDGED && reason == XV_TO_LEARN)
        return pass_to_stack(skb, vtep); /* the bridge must learn the source, too */
    if (entry)
        return to_known_port(skb, vtep, entry, now, XV_HOOK_INGRESS);
    if (vtep->members && !mac_equal(eth.h_dest, vtep->mac) && !fdb_is_remote(vtep, eth.h_dest, now))
        to_members(skb, vtep);
    return pass_to_stack(skb, vtep);
}

/* Egress of a bridged local port: a frame shows that the bridge sends this MAC's frames there. */
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
    now = bpf_ktime_get_coarse_ns();
    port = port_of(ifindex, now);
    if (!port || !(port->flags & XV_PORT_BRIDGED) || skb->vlan_present || skb_read_eth(skb, &eth) ||
        mac_is_multicast(eth.h_dest))
        return XV_PASS;
    vtep = vtep_by_slot(port->vtep);
    entry = vtep ? fdb_find(vtep, eth.h_dest, now) : NULL;
    if (!entry)
        return XV_PASS;
    if (entry->flags & XV_FDB_LOCAL && entry->to == ifindex) {
        fdb_bridge_agreed(entry, now);
        return mark == XV_MARK_BRIDGE_COPY ? TC_ACT_SHOT : XV_PASS;
    }
    if (!mac_equal(eth.h_dest, port->claimed_mac))
        return XV_PASS;
    /* The first frame may be a flood: tc_device_egress then clears the flag. The second is not. */
    if (!(entry->flags & XV_FDB_CLAIMED)) {
        entry->flags |= XV_FDB_CLAIMED;
        return XV_PASS;
    }
    mac_copy(eth.h_source, eth.h_dest);
    port_take(vtep, port, &eth, ifindex, now);
    return XV_PASS;
}

/* Ingress of a local port: a container's veth, or a trunk. */
SEC("tc")
int xvtep_tc_port_ingress(struct __sk_buff *skb)
{
    struct port_frame f = {.packets = skb_packets(skb)};
    struct tx_ctx tx = {.ifindex = skb->ifindex};
    __u32 ifindex = tx.ifindex, zero;
    __u64 at;

    tx.now = bpf_ktime_get_coarse_ns();
    zero = unknown_zero(tx.now);
    tx.vid = zero;
    f.port = port_of(ifindex, tx.now);
    if (!f.port)
        return XV_PASS;
    skb->tc_index = 0; /* another namespace may have set it */
    if (f.port->mode == XV_MODE_SKB)
        skb_restore_mac(skb);
    f.vtep = port_vtep(f.port, ifindex, skb_trunk_vid(skb), &tx.vid);
    if (!f.vtep)
        return to_action(f.port->slot,
                         f.port->flags & XV_PORT_TRUNK ? XV_UNKNOWN_VLAN : XV_TO_BRIDGE, f.packets);
    if (skb_read_eth(skb, &tx.eth))
        return to_action(f.port->slot, XV_REWRITE_FAILED, f.packets);
    if (source_mac_is_invalid(tx.eth.h_source))
        return to_action(f.vtep->slot, XV_MAC_INVALID_SOURCE, f.packets);
    if (tx.vid && bpf_skb_vlan_pop(skb))
        return to_action(f.port->slot, XV_REWRITE_FAILED, f.packets);

    f.bridged = (f.port->flags & XV_PORT_BRIDGED && !tx.vid) ^ zero;
    at = (__u64)tx.vid << 32 | ifindex;
    if (port_check(f.vtep, f.port, &tx.eth, at, tx.now) == XV_TO_LEARN) {
        port_learn(f.vtep, f.port, &tx.eth, at, tx.now);
        if (f.bridged)
            return to_action(f.port->slot, XV_TO_BRIDGE, f.packets);
    }
    if (!mac_is_multicast(tx.eth.h_dest) && !mac_is_zero(tx.eth.h_dest)) {
        f.entry = fdb_find(f.vtep, tx.eth.h_dest, tx.now);
        f.entry = rsc(skb, f.vtep, f.entry, &tx);
    }
    f.agreed = (f.entry && (tx.short_circuited || fdb_bridge_agrees(f.entry, tx.now)));
    return port_forward(skb, &f, &tx);
}

/* Underlay port, before the kernel makes an skb of the packet. */
SEC("xdp.frags")
int xvtep_xdp_underlay(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    struct decap_decision *decision;
    struct xdp_target target = {};
    struct ethhdr *inner;
    struct outer o = {};
    int reason;

    reason = parse_outer(&c, &o, c.end - c.at, xdp);
    if (reason != XV_CONTINUE)
        return XDP_PASS;
    inner = take(&c, sizeof(*inner));
    if (!inner || inner_is_cut(&o, inner->h_proto))
        return XDP_PASS;
    decision = decap_decision(&o, inner);
    if (!decap_take_decision(xdp, decision, &o, inner, &target, now)) {
        reason = xdp_decide(xdp, &o, inner, &target, now);
        if (reason != XV_CONTINUE)
            return target.vtep ? xdp_to_action(target.vtep->slot, reason) : XDP_PASS;
        decap_note_decision(decision, &o, inner, &target, now);
    }
    reason = xdp_copy_ecn(&c, &o, inner->h_proto);
    if (reason != XV_CONTINUE)
        return xdp_to_action(target.vtep->slot, reason);
    return xdp_decapsulate(xdp, &target, &o, now);
}

/* Local port, before the kernel makes an skb of the frame: to known VTEPs with a fresh next hop. */
SEC("xdp.frags")
int xvtep_xdp_port(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 ifindex = xdp->ingress_ifindex;
    struct xv_remote *remote = NULL;
    struct encap_decision *decision;
    struct xv_vtep *vtep = NULL;
    struct ethhdr *eth;
    int action;

    eth = take(&c, sizeof(*eth));
    if (!eth || eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
        return XDP_PASS;
    decision = encap_decision(eth, ifindex);
    if (!encap_take_decision(decision, eth, ifindex, &vtep, &remote, now)) {
        action = encap_decide(decision, eth, ifindex, &vtep, &remote, now);
        if (!vtep || !remote)
            return action;
    }
    return xdp_encap(xdp, vtep, &c, eth, remote, now);
}

SEC("tc")
int xvtep_fdb_put(struct __sk_buff *skb)
{
    return put_rows(skb);
}

SEC("tc")
int xvtep_counters_add(struct __sk_buff *skb)
{
    return add_counters(skb);
}

char LICENSE[] SEC("license") = "GPL";
