/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose frame is it, coming from a local port: untagged and by VLAN. */
#ifndef XVTEP_BPF_PORT_H
#define XVTEP_BPF_PORT_H

#include "bpf/classify.h"

static __always_inline struct xv_port *port_of(__u32 ifindex)
{
    __u32 at = ifindex % XV_PORT_HINTS;
    struct xv_port_hint *hint = bpf_map_lookup_elem(&port_hints, &at);

    if (!is_alive(ifindex))
        return NULL;
    return hint && hint->ifindex == ifindex ? &hint->port : bpf_map_lookup_elem(&ports, &ifindex);
}

/*
 * The VTEP for a frame with tag `tci_vid` (0: none). *vid: the tag to take off, where the VLAN is
 * mapped; a plain port keeps tags as part of the frame.
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

static __always_inline __u16 port_fdb_flags(const struct xv_port *port, __u32 vid)
{
    return XV_FDB_LOCAL | (port->flags & XV_PORT_BRIDGED && !vid ? XV_FDB_BRIDGED : 0) |
           (port->flags & XV_PORT_PEER ? XV_FDB_PEER : 0) |
           (port->flags & XV_PORT_XDP ? XV_FDB_XDP : 0);
}

static __always_inline struct xv_remote port_place(__u64 place)
{
    return (struct xv_remote){.ifindex = place, .vid = place >> 32};
}

/* `place`: the VLAN in the upper half, the port below. As port_check(). */
XV_STEP int port_check_place(const struct xv_vtep *vtep, struct xv_port *port,
                             const struct ethhdr *eth, __u64 place, __u64 now)
{
    struct xv_remote here = port_place(place);
    __u32 shift = XV_BRIDGE_SHIFT;
    int reason;

    if (!vtep || !port || !eth)
        return XV_CONTINUE;
    if (vtep->renew_shift < shift)
        shift = vtep->renew_shift;
    reason = fdb_check(vtep, eth->h_source, &here, XV_FDB_LOCAL, shift, now);
    if (reason == XV_CONTINUE && port->last_time != now) {
        /* Another is remembered for this tick: no write for each change. */
        mac_copy(port->last_smac, eth->h_source);
        port->last_vid = here.vid;
        port->last_time = now;
    }
    return reason;
}

/*
 * XV_TO_LEARN where the source is new, has moved, or was last shown to the port's bridge a while
 * ago. The first source of a tick of the clock is looked up once in it: a look-up less for a busy
 * container. Should its MAC be learned elsewhere meanwhile, it comes back with the next tick.
 */
static __always_inline int port_check(const struct xv_vtep *vtep, struct xv_port *port,
                                      const struct ethhdr *eth, __u64 place, __u64 now)
{
    if (port->last_time == now && mac_equal(port->last_smac, eth->h_source) &&
        port->last_vid == place >> 32)
        return XV_CONTINUE;
    return port_check_place(vtep, port, eth, place, now);
}

/* The source is behind this port, whatever is known of it. */
XV_STEP int port_take(const struct xv_vtep *vtep, const struct xv_port *port,
                      const struct ethhdr *eth, __u64 place, __u64 now)
{
    struct xv_remote here = port_place(place);

    if (vtep && port && eth)
        fdb_learn(vtep, eth->h_source, &here, port_fdb_flags(port, here.vid), now);
    return 0;
}

/*
 * The source of a frame, after port_check() said so. Behind a bridge it may not take what is known
 * elsewhere: whether it has moved is the bridge's to say, which sends frames for it to the port
 * then (tc_port_egress). Until that, frames for it go by the bridge.
 */
static __always_inline void port_learn(const struct xv_vtep *vtep, struct xv_port *port,
                                       const struct ethhdr *eth, __u64 place, __u64 now)
{
    struct xv_fdb *entry = fdb_find(vtep, eth->h_source, now);
    struct xv_remote here = port_place(place);

    if (!entry || !(port->flags & XV_PORT_BRIDGED) || here.vid ||
        fdb_same_place(entry, &here, XV_FDB_LOCAL)) {
        port_take(vtep, port, eth, place, now);
        return;
    }
    entry->bridge_seen = 0;
    mac_copy(port->claimed_mac, eth->h_source);
}

#endif
