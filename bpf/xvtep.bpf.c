// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs, one page each; a stage is a header of its own.
 *
 *                     underlay port                         VTEP's device / local port
 *   in   xdp_underlay --> tc_underlay ----------------------> device ingress, port
 *        parse . classify . admit . ecn . strip . deliver     tc_arrived (by the kernel's device)
 *   out  tc_watch <------------------------------------------ tc_device, tc_port, xdp_port
 *        (next hops)   encap . pmtu . hop . fdb . neigh . learn . parse
 *   table  xvtep_fdb_put, for user space
 *
 * An XDP program finishes what it can and passes the rest, uncounted, to the TC program of the
 * same port, which always runs behind it and counts.
 */
#include "bpf/bulk.h"
#include "bpf/port.h"
#include "bpf/send.h"
#include "bpf/xdp.h"

#define XV_ODD 0x100 /* above a verdict: not concluded yet */

static __always_inline __u32 underlay_slot(__u32 ifindex)
{
    struct xv_underlay *underlay = bpf_map_lookup_elem(&underlays, &ifindex);

    return underlay ? underlay->slot : 0;
}

/* The action; or, for what only the kernel's device can decapsulate, XV_ODD and the verdict. */
XV_STEP int take_in(struct __sk_buff *skb, __u64 now)
{
    __u32 packets = tc_packets(skb);
    struct xv_vtep *vtep = tc_stripped(skb);
    struct xv_dest sender;
    struct outer o = {};
    struct ethhdr inner XV_EVEN;
    struct cursor c;
    int verdict;

    if (vtep) {
        if (bpf_skb_load_bytes(skb, 0, &inner, sizeof(inner)))
            return TC_ACT_SHOT;
        bpf_skb_change_type(skb, XV_PACKET_HOST); /* the inner MAC is not this port's */
        return deliver(skb, vtep, inner.h_dest, now, 0, 1);
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
    if (verdict == XV_CONTINUE) {
        sender = sender_of(vtep, &o);
        verdict = admit(vtep, &sender, inner.h_source, now);
    }
    if (verdict == XV_CONTINUE)
        verdict = tc_ecn(skb, &o, inner.h_proto);
    if (verdict == XV_CONTINUE)
        verdict = tc_strip(skb, &o, &inner);
    if (verdict == XV_CONTINUE) {
        if (vtep->flags & XV_VTEP_GBP && o.vxlan.flags & bpf_htonl(XV_VXLAN_FLAG_GBP))
            skb->mark = bpf_ntohl(o.vxlan.flags) & XV_VXLAN_GBP_BITS;
        return deliver(skb, vtep, inner.h_dest, now,
                       inner.h_proto != bpf_htons(o.v6 ? ETH_P_IPV6 : ETH_P_IP), 1);
    }
    if (verdict == XV_FRAGMENT || verdict == XV_IP_OPTIONS)
        return XV_ODD | verdict;
    if (verdict == XV_NOT_UDP)
        pmtu_watch(skb, now);
    return tc_conclude(vtep && verdict != XV_NOT_LOCAL ? vtep->slot : underlay_slot(skb->ifindex),
                       verdict, packets);
}

/* Ingress of an underlay port, behind the kernel's GRO. */
SEC("tc")
int xvtep_tc_underlay(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    int action, odd;

    skb->tc_index = 0; /* what it says is ours alone */
    action = take_in(skb, now);
    if (action < XV_ODD)
        return action;
    odd = tc_odd(skb, now);
    if (odd)
        return tc_conclude(odd >> 8, odd & 0xff, tc_packets(skb));
    return tc_conclude(underlay_slot(skb->ifindex), action & 0xff, tc_packets(skb));
}

/* Egress of an underlay port: where the kernel's answer to XV_ASK passes by. */
SEC("tc")
int xvtep_tc_watch(struct __sk_buff *skb)
{
    struct xv_hop_key key = {.oif = skb->ifindex};
    struct xv_hop hop = {.ifindex = skb->ifindex};
    struct xv_underlay *underlay;
    struct ethhdr *eth;
    struct cursor c;
    int by_route;
    __u64 now;

    if (skb->tc_index != XV_ASK && skb->tc_index != XV_ASK_ROUTE)
        return XV_PASS;
    by_route = skb->tc_index == XV_ASK_ROUTE;
    skb->tc_index = 0;
    now = bpf_ktime_get_coarse_ns();
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
    underlay = bpf_map_lookup_elem(&underlays, &hop.ifindex);
    hop.xdp = underlay && underlay->xdp_xmit;
    hop.mtu = pmtu_of(&key.addr, now);
    hop.expires = now + XV_HOP_LIFE;
    if (by_route)
        key.oif = 0;
    bpf_map_update_elem(&hops, &key, &hop, BPF_ANY);
    return XV_PASS;
}

/* Egress of a VTEP's own device: from the host's stack or the bridge. */
SEC("tc")
int xvtep_tc_device(struct __sk_buff *skb)
{
    struct job job = {.ifindex = skb->ifindex, .redirect = BPF_F_INGRESS};
    struct xv_vtep *vtep = vtep_by_device(skb->ifindex);
    __u32 packets = tc_packets(skb);
    int verdict, from_port, many;
    struct xv_fdb *entry;

    if (!vtep)
        return XV_PASS;
    job.now = bpf_ktime_get_coarse_ns();
    if (tc_read_eth(skb, &job.eth))
        return tc_conclude(vtep->slot, XV_HELPER, packets);
    from_port = skb->tc_index == XV_FROM_PORT;
    skb->tc_index = 0;
    many = mac_is_multicast(job.eth.h_dest);
    if (many && !from_port)
        to_members(skb, vtep, 0, 0);
    /* Whoever is behind a port answers for itself. */
    entry = vtep->members && !many ? fdb_find(vtep, job.eth.h_dest, job.now) : NULL;
    verdict = entry && entry->flags & XV_FDB_LOCAL ? XV_CONTINUE : proxy_stage(skb, vtep, &job);
    if (verdict != XV_CONTINUE)
        return tc_finish(vtep->slot, verdict, packets, job.action);

    entry = look_up(skb, vtep, &job);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (entry->flags & XV_FDB_BRIDGED && !job.short_circuited)
            return tc_conclude(vtep->slot, XV_LOCAL_MAC, packets);
        count_verdict(vtep->slot, XV_SWITCHED, packets);
        return to_port(skb, &entry->dest, entry->flags, 0);
    }
    if (!entry && !many && !from_port)
        to_members(skb, vtep, 0, 0);
    verdict = send_stage(skb, vtep, entry, &job);
    return tc_finish(vtep->slot, verdict, packets, job.action);
}

/*
 * Ingress of a VTEP's own device: what the kernel's device has decapsulated (reassembled outer
 * fragments, IP options) goes to the local ports too, and is counted.
 */
SEC("tc")
int xvtep_tc_arrived(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 packets = tc_packets(skb);
    struct xv_fdb *entry;
    struct xv_vtep *vtep;
    struct ethhdr eth XV_EVEN;

    if (skb->tc_index == XV_DELIVERED) {
        skb->tc_index = 0;
        return XV_PASS;
    }
    vtep = vtep_by_device(skb->ifindex);
    if (!vtep || tc_read_eth(skb, &eth))
        return XV_PASS;
    if (mac_is_multicast(eth.h_source) || mac_is_zero(eth.h_source))
        return tc_conclude(vtep->slot, XV_BAD_SOURCE, packets);
    count_rx(vtep->slot, packets, skb->len);
    entry = fdb_find_local(vtep, eth.h_dest, now);
    if (entry)
        return to_port(skb, &entry->dest, entry->flags, 1);
    if (vtep->members && !mac_equal(eth.h_dest, vtep->mac))
        to_members(skb, vtep, 0, 0);
    return XV_PASS;
}

/* Ingress of a local port: a container's veth or a trunk. */
SEC("tc")
int xvtep_tc_port(struct __sk_buff *skb)
{
    __u32 packets = tc_packets(skb), ifindex = skb->ifindex;
    struct job job = {.ifindex = ifindex};
    struct xv_fdb *entry = NULL;
    int verdict, for_host, known, bridged;
    struct xv_port *port;
    struct xv_vtep *vtep;

    port = port_of(ifindex);
    if (!port)
        return XV_PASS;
    skb->tc_index = 0; /* what it says is ours alone */
    if (port->mode == XV_MODE_SKB)
        tc_restore_mac(skb);
    vtep = port_vtep(port, ifindex, tc_vlan(skb), &job.vid);
    if (!vtep)
        return tc_conclude(port->slot,
                           port->flags & XV_PORT_TRUNK ? XV_UNKNOWN_VLAN : XV_TO_BRIDGE, packets);
    job.now = bpf_ktime_get_coarse_ns();
    if (tc_read_eth(skb, &job.eth))
        return tc_conclude(port->slot, XV_HELPER, packets);
    if (mac_is_multicast(job.eth.h_source) || mac_is_zero(job.eth.h_source))
        return tc_conclude(vtep->slot, XV_BAD_SOURCE, packets);
    if (job.vid && bpf_skb_vlan_pop(skb))
        return tc_conclude(port->slot, XV_HELPER, packets);

    port_learn(vtep, port, &job.eth, (__u64)job.vid << 32 | ifindex, job.now);
    if (!mac_is_multicast(job.eth.h_dest) && !mac_is_zero(job.eth.h_dest))
        entry = look_up(skb, vtep, &job);
    if (entry && entry->flags & XV_FDB_LOCAL) {
        if (entry->dest.ifindex == ifindex && entry->dest.vid == job.vid)
            return tc_conclude(vtep->slot, XV_HAIRPIN, packets);
        count_verdict(vtep->slot, XV_SWITCHED, packets);
        return to_port(skb, &entry->dest, entry->flags, 1);
    }

    for_host = mac_equal(job.eth.h_dest, vtep->mac);
    bridged = port->flags & XV_PORT_BRIDGED && !job.vid; /* a mapped VLAN is not that bridge's */
    known = entry && !(bridged && for_host);
    if (!known) {
        if (bridged && job.short_circuited) /* its source is a router's now: not for the bridge */
            return bpf_redirect(vtep->ifindex, 0);
        if (bridged)
            return tc_conclude(port->slot, XV_TO_BRIDGE, packets);
        /* No bridge: this port, the others and the VTEP's device are one switch. */
        if (for_host) {
            count_verdict(vtep->slot, XV_SWITCHED, packets);
            return to_device(skb, vtep);
        }
        to_members(skb, vtep, ifindex, job.vid);
        skb->tc_index = XV_DELIVERED;
        bpf_clone_redirect(skb, vtep->ifindex, BPF_F_INGRESS);
    }
    verdict = proxy_stage(skb, vtep, &job);
    if (verdict == XV_CONTINUE && !known) {
        skb->tc_index = XV_FROM_PORT;
        return bpf_redirect(vtep->ifindex, 0);
    }
    if (verdict == XV_CONTINUE)
        verdict = send_stage(skb, vtep, entry, &job);
    if (verdict != XV_CONTINUE && !verdict_drops(verdict)) {
        skb->tc_index = XV_FROM_PORT;
        return bpf_redirect(vtep->ifindex, 0); /* tc_device comes to the same verdict, and counts */
    }
    return tc_finish(vtep->slot, verdict, packets, job.action);
}

/* Underlay port, before the kernel makes an skb of the frame. */
SEC("xdp.frags")
int xvtep_xdp_underlay(struct xdp_md *xdp)
{
    struct cursor c = xdp_cursor(xdp);
    __u64 now = bpf_ktime_get_coarse_ns();
    struct xv_fdb *entry;
    struct xv_dest sender;
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
    /* The mark is the skb's, and so is whose packet it is when the port's MAC was changed. */
    if (vtep->flags & XV_VTEP_GBP || !xdp_is_for_host(xdp, vtep))
        return XDP_PASS;
    inner = take(&c, sizeof(*inner));
    if (!inner)
        return xdp_conclude(vtep->slot, XV_SHORT_INNER);
    sender = sender_of(vtep, &o);
    verdict = admit(vtep, &sender, inner->h_source, now);
    if (verdict == XV_CONTINUE)
        verdict = xdp_ecn(&c, &o, inner->h_proto);
    if (verdict != XV_CONTINUE)
        return xdp_conclude(vtep->slot, verdict);
    entry = fdb_find_local(vtep, inner->h_dest, now);
    if (entry && entry->flags & XV_FDB_XDP && !entry->dest.vid)
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
    port_learn(vtep, port, eth, ifindex, now);
    entry = fdb_find(vtep, eth->h_dest, now);
    if (!entry || entry->dests > 1 || mac_equal(eth->h_dest, vtep->mac) ||
        xdp_is_for_tc(vtep, eth, entry))
        return XDP_PASS;
    if (entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_XDP) || entry->dest.vid || entry->dest.ifindex == ifindex)
            return XDP_PASS;
        count_verdict(vtep->slot, XV_SWITCHED, 1);
        return bpf_redirect(entry->dest.ifindex, 0);
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
