// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs, one page each; a stage is a header of its own.
 *
 *                     underlay port                         VTEP's device / local port
 *   in   xdp_underlay --> tc_underlay ----------------------> device ingress, port
 *        parse . classify . admit . ecn . strip . deliver
 *   out  tc_watch <------------------------------------------ tc_device, tc_port, xdp_port
 *        (next hops)            encap . fdb . learn . parse
 *
 * An XDP program finishes what it can and passes the rest, uncounted, to the TC program of the
 * same port, which always runs behind it and counts.
 */
#include "bpf/deliver.h"
#include "bpf/port.h"
#include "bpf/xdp.h"

/* Ingress of an underlay port, behind the kernel's GRO. */
SEC("tc")
int xvtep_tc_underlay(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 packets = tc_packets(skb), ifindex = skb->ifindex, slot = 0;
    struct xv_vtep *vtep = tc_stripped(skb);
    struct xv_underlay *underlay;
    struct outer o = {};
    struct ethhdr inner;
    struct cursor c;
    int verdict;

    if (vtep) {
        if (bpf_skb_load_bytes(skb, 0, &inner, sizeof(inner)))
            return TC_ACT_SHOT;
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* the inner MAC is not this port's */
        return deliver(skb, vtep, inner.h_dest, now, 0);
    }

    c = tc_linear(skb, XV_LINEAR);
    verdict = skb->vlan_present ? XV_NOT_IP : parse_outer(&c, &o, skb->len);
    if (verdict != XV_CONTINUE && !skb->vlan_present && tc_restore_mac(skb)) {
        c = tc_linear(skb, XV_LINEAR);
        verdict = parse_outer(&c, &o, skb->len);
    }
    if (verdict == XV_CONTINUE)
        verdict = classify(&o, &vtep);
    if (verdict == XV_CONTINUE && skb->pkt_type == XV_PACKET_OTHERHOST)
        verdict = XV_NOT_LOCAL;
    if (verdict == XV_CONTINUE && bpf_skb_load_bytes(skb, o.size, &inner, sizeof(inner)))
        verdict = XV_SHORT_INNER;
    if (verdict == XV_CONTINUE)
        verdict = admit(vtep, &o, inner.h_source, now);
    if (verdict == XV_CONTINUE)
        verdict = tc_ecn(skb, &o, inner.h_proto);
    if (verdict == XV_CONTINUE)
        verdict = tc_strip(skb, &o, &inner);
    if (verdict == XV_CONTINUE)
        return deliver(skb, vtep, inner.h_dest, now,
                       inner.h_proto != bpf_htons(o.v6 ? ETH_P_IPV6 : ETH_P_IP));

    if (vtep && verdict != XV_NOT_LOCAL) {
        slot = vtep->slot;
    } else {
        underlay = bpf_map_lookup_elem(&underlays, &ifindex);
        if (underlay)
            slot = underlay->slot;
    }
    return tc_conclude(slot, verdict, packets);
}

/* Egress of an underlay port: where the kernel's answer to XV_ASK passes by. */
SEC("tc")
int xvtep_tc_watch(struct __sk_buff *skb)
{
    struct xv_hop_key key = {.oif = skb->ifindex};
    struct xv_hop hop = {.ifindex = skb->ifindex};
    struct ethhdr *eth;
    struct cursor c;

    if (skb->tc_index != XV_ASK)
        return XV_PASS;
    skb->tc_index = 0;
    c = tc_cursor(skb);
    eth = take(&c, sizeof(*eth));
    if (!eth)
        return XV_PASS;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        struct iphdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return XV_PASS;
        addr_from_v4(&key.addr, ip->daddr);
    } else {
        struct ipv6hdr *ip = take(&c, sizeof(*ip));

        if (!ip)
            return XV_PASS;
        addr_from_v6(&key.addr, ip->daddr.in6_u.u6_addr32);
    }
    __builtin_memcpy(hop.dmac, eth->h_dest, 6);
    __builtin_memcpy(hop.smac, eth->h_source, 6);
    hop.expires = bpf_ktime_get_coarse_ns() + XV_HOP_LIFE;
    bpf_map_update_elem(&hops, &key, &hop, BPF_ANY);
    key.oif = 0; /* for VTEPs that let the route choose the port */
    bpf_map_update_elem(&hops, &key, &hop, BPF_ANY);
    return XV_PASS;
}

/* Egress of a VTEP's own device: from the host's stack or the bridge. */
SEC("tc")
int xvtep_tc_device(struct __sk_buff *skb)
{
    struct xv_vtep *vtep = vtep_by_device(skb->ifindex);
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 packets = tc_packets(skb);
    struct xv_fdb *entry = NULL;
    int verdict, action;
    struct ethhdr eth;

    if (!vtep)
        return XV_PASS;
    if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return tc_conclude(vtep->slot, XV_HELPER, packets);
    if (!mac_is_zero(eth.h_dest))
        entry = fdb_find(vtep, eth.h_dest, now);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (vtep->members == 0)
            return tc_conclude(vtep->slot, XV_LOCAL_MAC, packets);
        count_verdict(vtep->slot, XV_SWITCHED, packets);
        return to_port(skb, &entry->dest, entry->flags, 0);
    }
    if (!entry && skb->tc_index != XV_FROM_PORT)
        to_members(skb, vtep, 0, 0);
    skb->tc_index = 0;
    verdict = send(skb, vtep, entry, now, &action);
    return verdict == XV_CONTINUE ? action : tc_conclude(vtep->slot, verdict, packets);
}

/* Ingress of a local port: a container's veth or a trunk. */
SEC("tc")
int xvtep_tc_port(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 packets = tc_packets(skb), ifindex = skb->ifindex, vid = 0;
    struct xv_fdb *entry = NULL;
    struct xv_dest here = {};
    struct xv_port *port;
    struct xv_vtep *vtep;
    int verdict, action;
    struct ethhdr eth;

    port = bpf_map_lookup_elem(&ports, &ifindex);
    if (!port)
        return XV_PASS;
    if (port->mode == XV_MODE_SKB)
        tc_restore_mac(skb);
    vtep = port_vtep(port, ifindex, skb->vlan_present ? skb->vlan_tci & 0xfff : 0, &vid);
    if (!vtep)
        return tc_conclude(port->slot,
                           port->flags & XV_PORT_TRUNK ? XV_UNKNOWN_VLAN : XV_TO_BRIDGE, packets);
    if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return tc_conclude(port->slot, XV_HELPER, packets);
    if (mac_is_multicast(eth.h_source) || mac_is_zero(eth.h_source))
        return tc_conclude(vtep->slot, XV_BAD_SOURCE, packets);
    if (vid && bpf_skb_vlan_pop(skb))
        return tc_conclude(port->slot, XV_HELPER, packets);

    here.ifindex = ifindex;
    here.vid = vid;
    fdb_learn(vtep, eth.h_source, &here, port_fdb_flags(port), now);
    if (!mac_is_multicast(eth.h_dest) && !mac_is_zero(eth.h_dest))
        entry = fdb_find(vtep, eth.h_dest, now);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (entry->dest.ifindex == ifindex && entry->dest.vid == vid)
            return tc_conclude(vtep->slot, XV_HAIRPIN, packets);
        count_verdict(vtep->slot, XV_SWITCHED, packets);
        return to_port(skb, &entry->dest, entry->flags, 1);
    }
    if (entry && !(port->flags & XV_PORT_BRIDGED && mac_equal(eth.h_dest, vtep->mac))) {
        verdict = send(skb, vtep, entry, now, &action);
        if (verdict == XV_CONTINUE)
            return action;
        if (verdict_drops(verdict))
            return tc_conclude(vtep->slot, verdict, packets);
        count_verdict(vtep->slot, verdict, packets);
        return bpf_redirect(vtep->ifindex, 0);
    }

    if (port->flags & XV_PORT_BRIDGED)
        return tc_conclude(port->slot, XV_TO_BRIDGE, packets);
    /* No bridge: this port, the others and the VTEP's device are one switch. */
    if (mac_equal(eth.h_dest, vtep->mac)) {
        count_verdict(vtep->slot, XV_SWITCHED, packets);
        return bpf_redirect(vtep->ifindex, BPF_F_INGRESS);
    }
    to_members(skb, vtep, ifindex, vid);
    bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
    skb->tc_index = XV_FROM_PORT;
    return bpf_redirect(vtep->ifindex, 0);
}

/* Underlay port, before the kernel makes an skb of the frame. */
SEC("xdp.frags")
int xvtep_xdp_underlay(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    struct xv_fdb *entry = NULL;
    struct xv_vtep *vtep;
    struct ethhdr *inner;
    struct outer o = {};
    int verdict;

    verdict = parse_outer(&c, &o, c.end - c.at);
    if (verdict == XV_BAD_LENGTH) { /* or in fragments */
        c = xdp_cursor(xdp);
        verdict = parse_outer(&c, &o, bpf_xdp_get_buff_len(xdp));
    }
    if (verdict != XV_CONTINUE)
        return XDP_PASS;
    verdict = classify(&o, &vtep);
    if (verdict != XV_CONTINUE)
        return vtep ? xdp_conclude(vtep->slot, verdict) : XDP_PASS;
    inner = take(&c, sizeof(*inner));
    if (!inner)
        return xdp_conclude(vtep->slot, XV_SHORT_INNER);
    verdict = admit(vtep, &o, inner->h_source, now);
    if (verdict == XV_CONTINUE)
        verdict = xdp_ecn(&c, &o, inner->h_proto);
    if (verdict != XV_CONTINUE)
        return xdp_conclude(vtep->slot, verdict);
    if (!mac_is_multicast(inner->h_dest))
        entry = fdb_find(vtep, inner->h_dest, now);
    if (entry && (entry->flags & (XV_FDB_LOCAL | XV_FDB_XDP)) == (XV_FDB_LOCAL | XV_FDB_XDP) &&
        !entry->dest.vid)
        return xdp_to_port(xdp, vtep, &o, entry->dest.ifindex);
    return xdp_hand_up(xdp, vtep, &o);
}

/* Local port, before the kernel makes an skb of the frame: known VTEPs with a fresh next hop. */
SEC("xdp.frags")
int xvtep_xdp_port(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 ifindex = xdp->ingress_ifindex, vid = 0;
    struct xv_dest here = {.ifindex = ifindex};
    struct xv_port *port;
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    struct ethhdr *eth;

    port = bpf_map_lookup_elem(&ports, &ifindex);
    eth = take(&c, sizeof(*eth));
    if (!port || !eth || eth->h_proto == bpf_htons(ETH_P_8021Q) ||
        eth->h_proto == bpf_htons(ETH_P_8021AD))
        return XDP_PASS;
    vtep = port_vtep(port, ifindex, 0, &vid);
    if (!vtep || mac_is_multicast(eth->h_source) || mac_is_zero(eth->h_source) ||
        mac_is_multicast(eth->h_dest) || mac_is_zero(eth->h_dest))
        return XDP_PASS;
    fdb_learn(vtep, eth->h_source, &here, port_fdb_flags(port), now);
    entry = fdb_find(vtep, eth->h_dest, now);
    if (!entry || entry->dests > 1 || mac_equal(eth->h_dest, vtep->mac))
        return XDP_PASS;
    if (entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_XDP) || entry->dest.vid || entry->dest.ifindex == ifindex)
            return XDP_PASS;
        count_verdict(vtep->slot, XV_SWITCHED, 1);
        return bpf_redirect(entry->dest.ifindex, 0);
    }
    return xdp_encap(xdp, vtep, &c, eth, entry, now);
}

char LICENSE[] SEC("license") = "GPL";
