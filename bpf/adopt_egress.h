/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Out: egress of an adopted device, and of an underlay port, where the next hop is learned from
 * what the kernel's device sends. Nothing is dropped here: what is not certain goes on to the
 * kernel's device.
 */
#ifndef XVTEP_BPF_ADOPT_EGRESS_H
#define XVTEP_BPF_ADOPT_EGRESS_H

#include "bpf/addr.h"
#include "bpf/adopt_maps.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/marks.h"
#include "bpf/multipath.h"
#include "bpf/nexthop.h"
#include "bpf/send.h"
#include "bpf/underlay_egress.h"
#include "bpf/vtep.h"

/*
 * The hash from which the kernel's udp_flow_src_port() makes the source port, so that a flow keeps
 * its port when it changes between the two paths. 0: not known.
 */
static __always_inline __u32 kernel_flow_hash(struct __sk_buff *skb)
{
    __u32 hash = bpf_get_hash_recalc(skb);

    return hash ^ hash << 16;
}

/* Sends to the entry's remote. Returns as send_to(). */
XV_STEP int adopt_send(struct __sk_buff *skb, const struct xv_vtep *vtep, struct xv_fdb *entry,
                       struct tx_ctx *tx)
{
    struct xv_remote *remote;
    struct inner in = {};
    struct tx_sizes sizes;
    __u64 hash;
    int reason;

    if (!vtep || !entry || !tx || parse_frame(skb, &in) || in.cut)
        return XV_KERNEL_PATH;
    remote = fdb_remote(entry);
    if (!remote)
        return XV_KERNEL_TABLE; /* it is just being changed */
    if ((vtep->flags & XV_VTEP_PROXY &&
         (in.l3_proto == bpf_htons(ETH_P_ARP) || in.l4_proto == IPPROTO_ICMPV6)) ||
        (vtep->flags & XV_VTEP_RSC && entry->flags & XV_FDB_ROUTER) ||
        (vtep->flags & XV_VTEP_GBP && skb->mark))
        return XV_KERNEL_PATH;
    hash = kernel_flow_hash(skb);
    if (!hash)
        return XV_KERNEL_PATH;
    in.flow = hash << 32;
    in.flow = (__u64)bpf_ntohs(source_port(vtep, &in)) << 32; /* steer_adopted() sees the port */
    if (tx->path_state == XV_PATH_NOT_ASKED &&
        !(path_is_fresh(remote, tx->now) && is_usual(vtep, skb->mark, outer_tos(vtep, &in))))
        return XV_RENEW_PATH;
    if (!take_path(skb, vtep, remote, &in, tx))
        return XV_RESOLVE;
    sizes = tx_sizes_of(skb, vtep, in.headers);
    reason = check_size(skb, vtep, remote, 1, sizes.l3_size, tx);
    if (reason != XV_CONTINUE)
        return reason_drops(reason) ? XV_KERNEL_PATH : reason;
    if (skb->gso_size && needs_csum(vtep))
        return XV_KERNEL_PATH;
    if (sizes.l3_size > XV_MTU_SAFE && sizes.l3_size > tx->path.proven_size)
        return XV_RESOLVE;
    in.flow = hash << 32;
    touch_tick(&entry->used, tx->now);
    reason = tc_encap(skb, vtep, remote, &in, tx);
    if (reason == XV_CONTINUE)
        remote_count_tx(remote, sizes.packets, sizes.bytes);
    return reason;
}

static __always_inline int adopt_device_egress(struct __sk_buff *skb, struct tx_ctx *tx)
{
    struct xv_vtep *vtep = vtep_by_device(skb->ifindex, tx->now);
    __u32 packets = skb_packets(skb);
    struct xv_fdb_key key;
    struct xv_fdb *entry;
    int reason;

    if (!vtep || !adopt_is_valid(vtep->slot, tx->now) || skb_read_eth(skb, &tx->eth))
        return XV_PASS;
    if (mac_is_multicast(tx->eth.h_dest))
        return to_action(vtep->slot, XV_FLOODED, packets);
    fdb_key(&key, vtep, tx->eth.h_dest);
    entry = mac_is_zero(tx->eth.h_dest) ? NULL : bpf_map_lookup_elem(&fdb, &key);
    if (!entry)
        return to_action(vtep->slot, XV_KERNEL_TABLE, packets);
    reason = needs_csum(vtep) ? sum_payload(skb, tx) : XV_CONTINUE;
    if (reason == XV_CONTINUE)
        reason = adopt_send(skb, vtep, entry, tx);
    else
        reason = XV_KERNEL_PATH;
    if (reason == XV_RENEW_PATH) {
        tx->path_state = renew_path(skb, vtep, entry, &tx->path) ? XV_PATH_FOUND : XV_PATH_NONE;
        reason = adopt_send(skb, vtep, entry, tx);
    }
    if (reason == XV_CONTINUE)
        return tx->action;
    if (reason == XV_RESOLVE) {
        skb->tc_index = XV_MARK_ADOPTED;
        reason = XV_KERNEL_PATH;
    }
    return to_action(vtep->slot, reason, packets);
}

/* Makes a packet of the kernel's device leave by its flow's next hop, as adopt_send() does. */
static __always_inline int steer_adopted(struct __sk_buff *skb, const struct xv_nexthop_key *key,
                                         __u32 source_port)
{
    struct xv_multipath *m = bpf_map_lookup_elem(&multipaths, key);
    struct xv_hop hop XV_ALIGN2;

    if (!m)
        return XV_PASS;
    hop = m->hop[multipath_of_flow(m, source_port)];
    if (mac_is_zero(hop.dmac) || hop_is_l3(&hop) ||
        bpf_skb_store_bytes(skb, 0, hop.dmac, 2 * ETH_ALEN, 0))
        return XV_PASS;
    return hop.ifindex == skb->ifindex ? XV_PASS : bpf_redirect(hop.ifindex, 0);
}

/*
 * Whether the kernel's device has sent the packet as we would: to the entry's VTEP, and with our
 * source and TTL (a route may have others). If not, its next hop is not ours.
 */
XV_STEP int sent_as_ours(struct __sk_buff *skb, const struct sent *s)
{
    struct xv_remote *remote;
    struct xv_fdb_key key;
    struct xv_vtep *vtep;
    struct xv_fdb *entry;
    __u8 ttl;

    if (!s || s->fragment || bpf_skb_load_bytes(skb, ETH_HLEN + 8, &ttl, sizeof(ttl)))
        return 0;
    vtep = vtep_by_vni_rarely(s->vni, s->key.dstport);
    if (!vtep || vtep->flags & XV_VTEP_V6 || !addr_is_v4(&s->from) ||
        !addr_equal(&s->from, &vtep->local) ||
        (!(vtep->flags & XV_VTEP_TTL_INHERIT) && ttl != vtep->ttl))
        return 0;
    fdb_key(&key, vtep, s->mac);
    entry = bpf_map_lookup_elem(&fdb, &key);
    remote = entry ? fdb_remote(entry) : NULL;
    return remote && addr_equal(&remote->addr, &s->key.dst);
}

struct adopted_sent {
    int action;
    __u32 zero;
};

/* Learns the next hop from a packet of an adopted device that was marked. */
XV_STEP int adopt_learn(struct __sk_buff *skb, struct adopted_sent *result)
{
    struct sent s = {};
    __be16 port;

    if (!result || parse_sent(skb, &s, XV_PORT_ETHERNET) != XV_CONTINUE || s.later_fragment)
        return 0;
    follow_source(skb, &s.from, s.vni, s.key.dstport);
    if (!sent_as_ours(skb, &s))
        return 0;
    if (nexthop_learn(skb, &s, 0, XV_PORT_ETHERNET, bpf_ktime_get_coarse_ns()) > 1 &&
        !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct iphdr), &port, sizeof(port)))
        result->action = steer_adopted(skb, &s.key, bpf_ntohs(port));
    return 0;
}

#endif
