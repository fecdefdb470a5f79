/* SPDX-License-Identifier: GPL-2.0-only */
/* Encapsulates a frame in XDP. */
#ifndef XVTEP_BPF_XDP_ENCAP_H
#define XVTEP_BPF_XDP_ENCAP_H

#include <linux/if_ether.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/cursor.h"
#include "bpf/decision.h"
#include "bpf/encap.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/nexthop.h"
#include "bpf/parse_inner.h"
#include "bpf/port.h"
#include "bpf/remote.h"
#include "bpf/source_port.h"
#include "bpf/vtep.h"
#include "bpf/xdp.h"

/* Whether the TC program must handle the frame: for skb->mark, `proxy` or `rsc`. */
static __always_inline int xdp_is_for_tc(const struct xv_vtep *vtep, const struct ethhdr *eth,
                                         const struct xv_fdb *entry)
{
    return vtep->flags & XV_VTEP_GBP ||
           (vtep->flags & XV_VTEP_PROXY &&
            (eth->h_proto == bpf_htons(ETH_P_ARP) || eth->h_proto == bpf_htons(ETH_P_IPV6))) ||
           (vtep->flags & XV_VTEP_RSC && entry->flags & XV_FDB_ROUTER);
}

/* Builds the outer headers where xdp_encap() has made room. `size`: of the inner frame. */
static __always_inline int xdp_build_headers(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                             const struct xv_remote *remote, const struct inner *in,
                                             const struct xv_hop *hop, __u32 size)
{
    struct ethhdr *eth = (void *)(long)xdp->data;
    void *end = (void *)(long)xdp->data_end;

    if (vtep->flags & XV_VTEP_V6) {
        struct outer_v6 *outer = (void *)(eth + 1);

        if ((void *)(outer + 1) > end)
            return XV_REWRITE_FAILED;
        build_outer_v6(eth, outer, vtep, remote, in, hop, size);
    } else {
        struct outer_v4 *outer = (void *)(eth + 1);

        if ((void *)(outer + 1) > end)
            return XV_REWRITE_FAILED;
        build_outer_v4(eth, outer, vtep, remote, in, hop, size);
    }
    return XV_CONTINUE;
}

/*
 * The next hop of the flow: that of the path, or one of several, whose number is in the flow's
 * bucket. NULL: for TC, as the kernel must resolve it, or XDP cannot send by its port.
 */
static __always_inline struct xv_hop *xdp_hop(const struct xv_vtep *vtep, struct xv_remote *remote,
                                              const struct inner *in, __u64 now)
{
    struct xv_nexthop_key key;
    struct xv_multipath *m;
    __u64 n;

    if (remote->path.hops <= 1)
        return &remote->path.hop;
    nexthop_key(&key, vtep, remote, 0, outer_tos(vtep, in));
    m = bpf_map_lookup_elem(&multipaths, &key);
    if (!m)
        return NULL;
    n = multipath_of_flow(m, flow_hash(in));
    return hop_is_resolved(m, n, now) && !(m->no_xdp >> n & 1) ? &m->hop[n] : NULL;
}

/* Encapsulates, if a fresh path has sent packets of this size; else passes to TC. */
static __always_inline int xdp_encap(struct xdp_md *xdp, const struct xv_vtep *vtep,
                                     struct cursor *c, struct ethhdr *eth, struct xv_remote *remote,
                                     __u64 now)
{
    __u32 size = bpf_xdp_get_buff_len(xdp), l3_size = size + outer_size(vtep) - ETH_HLEN;
    struct inner in = {};
    struct xv_hop *hop;
    __u32 ifindex;

    if (!remote || !path_is_fresh(remote, now) || !remote->path.xdp || needs_csum(vtep) ||
        size > 0xffff - XV_OUTER_V6 ||
        (l3_size > XV_MTU_SAFE && l3_size > remote->path.proven_size))
        return XDP_PASS;
    parse_l3(c, &in, eth, eth->h_proto, ETH_HLEN); /* tagged frames do not come here */
    if (in.cut || in.extended || !is_usual(vtep, 0, outer_tos(vtep, &in)))
        return XDP_PASS;
    hop = xdp_hop(vtep, remote, &in, now);
    if (!hop || exceeded_mtu(xdp, hop->ifindex, remote->path.mtu, l3_size))
        return XDP_PASS;
    ifindex = hop->ifindex;
    if (bpf_xdp_adjust_head(xdp, -(int)outer_size(vtep)))
        return XDP_PASS;
    if (xdp_build_headers(xdp, vtep, remote, &in, hop, size) != XV_CONTINUE)
        return xdp_to_action(vtep->slot, XV_REWRITE_FAILED);
    remote_count_tx(remote, 1, size);
    return bpf_redirect_map(&alive, ifindex, XDP_DROP);
}

/* As encap_decide(), from what was decided in this tick. Returns whether there is something. */
static __always_inline int encap_take_decision(const struct encap_decision *d,
                                               const struct ethhdr *eth, __u32 ifindex,
                                               struct xv_vtep **vtep, struct xv_remote **remote,
                                               __u64 now)
{
    if (!d || !encap_is_decided(d, eth, ifindex, now))
        return 0;
    *vtep = vtep_by_slot(d->slot);
    *remote = remote_by_id(d->remote);
    return *vtep && *remote;
}

/*
 * Decides what becomes of a frame without a tag. Sets *vtep and *remote, and notes the decision in
 * `d`, if the frame goes to another VTEP; else sets *remote to NULL and returns the action.
 */
static __always_inline int encap_decide(struct encap_decision *d, const struct ethhdr *eth,
                                        __u32 ifindex, struct xv_vtep **vtep,
                                        struct xv_remote **remote, __u64 now)
{
    struct xv_port *port = port_of(ifindex, now);
    __u32 vid = 0;
    struct xv_remote *to;
    struct xv_fdb *entry;
    struct xv_vtep *from;

    *remote = NULL;
    if (!port)
        return XDP_PASS;
    from = port_vtep(port, ifindex, 0, &vid);
    if (!from || mac_is_multicast(eth->h_source) || mac_is_zero(eth->h_source) ||
        mac_is_multicast(eth->h_dest) || mac_is_zero(eth->h_dest))
        return XDP_PASS;
    if (port_check(from, port, eth, ifindex, now) != XV_CONTINUE)
        return XDP_PASS;
    entry = fdb_find(from, eth->h_dest, now);
    if (!entry || (entry->several > 1 && !(entry->flags & XV_FDB_LOCAL)) ||
        mac_equal(eth->h_dest, from->mac) ||
        (port->flags & XV_PORT_BRIDGED && !fdb_bridge_agrees(entry, now)) ||
        xdp_is_for_tc(from, eth, entry))
        return XDP_PASS;
    if (entry->flags & XV_FDB_LOCAL) {
        if (!(entry->flags & XV_FDB_XDP) || entry->several || entry->to == ifindex ||
            (entry->flags & XV_FDB_BRIDGED && !fdb_bridge_agrees(entry, now)))
            return XDP_PASS;
        count_reason(from->slot, XV_SWITCHED, 1);
        return bpf_redirect_map(&alive, entry->to, XDP_DROP);
    }
    to = fdb_remote(entry);
    if (!to || addr_is_multicast(&to->addr))
        return XDP_PASS;
    if (path_is_fresh(to, now))
        touch_tick(&entry->used, now);
    if (d && d->tick != now && !(from->flags & (XV_VTEP_GBP | XV_VTEP_PROXY | XV_VTEP_RSC))) {
        copy_macs(d->macs, eth);
        d->ifindex = ifindex;
        d->remote = to->id;
        d->slot = from->slot;
        d->tick = now;
    }
    *vtep = from;
    *remote = to;
    return XDP_PASS;
}

#endif
