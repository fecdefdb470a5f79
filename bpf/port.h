/* SPDX-License-Identifier: GPL-2.0-only */
/* Local ports: the VTEP of a frame from a port, and learning which MACs are behind it. */
#ifndef XVTEP_BPF_PORT_H
#define XVTEP_BPF_PORT_H

#include <linux/if_ether.h>

#include "bpf/addr.h"
#include "bpf/alive.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/maps.h"
#include "bpf/vtep.h"

/* NULL if it is no port of ours, or not alive. */
static __always_inline struct xv_port *port_of(__u32 ifindex, __u64 now)
{
    __u32 at = ifindex % XV_PORT_HINTS;
    struct xv_port_hint *hint = bpf_map_lookup_elem(&port_hints, &at);

    if (!is_alive_now(ifindex, now))
        return NULL;
    return hint && hint->ifindex == ifindex ? &hint->port : bpf_map_lookup_elem(&ports, &ifindex);
}

/*
 * The VTEP of a frame with the tag `tci_vid` (0: none), or NULL. *vid: the tag to take off, if the
 * trunk maps the VLAN; on another port a tag is part of the frame.
 */
static __always_inline struct xv_vtep *port_vtep(const struct xv_port *port, __u32 ifindex,
                                                 __u32 tci_vid, __u32 *vid)
{
    struct xv_vlan_key key = {.ifindex = ifindex, .vid = tci_vid};
    __u32 *slot;

    if (!(port->flags & XV_PORT_TRUNK) || !tci_vid)
        return vtep_by_slot(port->vtep);
    slot = bpf_map_lookup_elem(&vlans, &key);
    if (!slot)
        return NULL;
    *vid = tci_vid;
    return vtep_by_slot(*slot);
}

/* The flags of FDB entries for MACs behind the port, in this VLAN. */
static __always_inline __u16 port_fdb_flags(const struct xv_port *port, __u32 vid)
{
    return XV_FDB_LOCAL | (port->flags & XV_PORT_BRIDGED && !vid ? XV_FDB_BRIDGED : 0) |
           (port->flags & XV_PORT_PEER ? XV_FDB_PEER : 0) |
           (port->flags & XV_PORT_XDP ? XV_FDB_XDP : 0);
}

/*
 * `at`: the VLAN in the upper half, the ifindex in the lower one, since a function of BPF has at
 * most five arguments.
 */
static __always_inline struct place port_place(__u64 at)
{
    return (struct place){.ifindex = at, .vid = at >> 32};
}

/* As port_check(), without its cache. */
XV_STEP int port_check_place(const struct xv_vtep *vtep, struct xv_port *port,
                             const struct ethhdr *eth, __u64 at, __u64 now)
{
    struct place here = port_place(at);
    __u32 shift = XV_BRIDGE_SHIFT;
    int reason;

    /* A container may not take the place of the VTEP's device. */
    if (!vtep || !port || !eth || mac_equal(eth->h_source, vtep->mac))
        return XV_CONTINUE;
    if (vtep->renew_shift < shift)
        shift = vtep->renew_shift;
    reason = fdb_check(vtep, eth->h_source, &here, XV_FDB_LOCAL, shift, now);
    if (reason == XV_CONTINUE && port->last_time != now) {
        /* Only the first source of a tick is remembered, or each packet would cost a write. */
        mac_copy(port->last_smac, eth->h_source);
        port->last_vid = here.vid;
        port->last_time = now;
    }
    return reason;
}

/*
 * Returns XV_TO_LEARN if the frame's source is new, has moved, or was shown to the port's bridge
 * some time ago; else XV_CONTINUE. The port remembers the first source of each tick of the clock,
 * which saves a busy container a look-up. If its MAC is learned elsewhere within the tick, the next
 * tick notices.
 */
static __always_inline int port_check(const struct xv_vtep *vtep, struct xv_port *port,
                                      const struct ethhdr *eth, __u64 at, __u64 now)
{
    if (port->last_time == now && mac_equal(port->last_smac, eth->h_source) &&
        port->last_vid == at >> 32)
        return XV_CONTINUE;
    return port_check_place(vtep, port, eth, at, now);
}

/* Learns the source behind this port, even if it is known elsewhere. */
XV_STEP int port_take(const struct xv_vtep *vtep, const struct xv_port *port,
                      const struct ethhdr *eth, __u64 at, __u64 now)
{
    struct place here = port_place(at);

    if (vtep && port && eth)
        fdb_learn(vtep, eth, &here, port_fdb_flags(port, here.vid), now);
    return 0;
}

/*
 * Learns the source of a frame for which port_check() returned XV_TO_LEARN. Behind a bridge a
 * source that is known elsewhere is only noted: the bridge decides whether it has moved. If it has,
 * the bridge sends frames for it to this port (tc_port_egress); until then they go through the
 * bridge.
 */
XV_STEP int port_learn(const struct xv_vtep *vtep, struct xv_port *port, const struct ethhdr *eth,
                       __u64 at, __u64 now)
{
    struct place here = port_place(at);
    struct xv_fdb *entry;

    if (!vtep || !port || !eth)
        return 0;
    entry = fdb_find(vtep, eth->h_source, now);
    if (!entry || !(port->flags & XV_PORT_BRIDGED) || here.vid ||
        fdb_same_place(entry, &here, XV_FDB_LOCAL))
        return port_take(vtep, port, eth, at, now);
    fdb_claim(vtep, entry, now);
    mac_copy(port->claimed_mac, eth->h_source);
    return 0;
}

#endif
