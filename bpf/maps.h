/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps, one set for each network namespace. bpf/abi/tables.h describes them. */
#ifndef XVTEP_BPF_MAPS_H
#define XVTEP_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/abi/tables.h"

/* Not preallocated: the FDB's million entries would cost every namespace 100 MB. */
#define XV_HASH(map, key_type, value_type, entries)                                                \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_HASH);                                                           \
        __uint(map_flags, BPF_F_NO_PREALLOC);                                                      \
        __uint(max_entries, entries);                                                              \
        __type(key, key_type);                                                                     \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")

#define XV_ARRAY(map, map_type, value_type, entries)                                               \
    struct {                                                                                       \
        __uint(type, map_type);                                                                    \
        __uint(max_entries, entries);                                                              \
        __type(key, __u32);                                                                        \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")

XV_ARRAY(layout, BPF_MAP_TYPE_ARRAY, __u32, 1);
XV_ARRAY(dstports, BPF_MAP_TYPE_ARRAY, __u64, 65536 / 64);
XV_ARRAY(vteps, BPF_MAP_TYPE_ARRAY, struct xv_vtep, XV_SLOTS);
XV_ARRAY(counters, BPF_MAP_TYPE_PERCPU_ARRAY, struct xv_counters, XV_SLOTS);
XV_ARRAY(vni_hints, BPF_MAP_TYPE_ARRAY, __u32, XV_VNI_HINTS);
XV_HASH(vnis, struct xv_vni_key, __u32, XV_SLOTS);
XV_HASH(devices, __u32, __u32, XV_SLOTS);
XV_HASH(local_addrs, struct xv_addr, __u32, XV_SLOTS);
XV_HASH(underlays, __u32, struct xv_underlay, XV_PORTS_MAX);
XV_HASH(ports, __u32, struct xv_port, XV_PORTS_MAX);
XV_ARRAY(port_hints, BPF_MAP_TYPE_ARRAY, struct xv_port_hint, XV_PORT_HINTS);
XV_HASH(vlans, struct xv_vlan_key, __u32, XV_VLANS_MAX);
XV_HASH(members, struct xv_member_key, struct xv_member, XV_VLANS_MAX);
XV_HASH(fdb, struct xv_fdb_key, struct xv_fdb, XV_FDB_ENTRIES);
XV_HASH(remotes, struct xv_flood_key, struct xv_remote, XV_FDB_ENTRIES / 4);
XV_HASH(gc_queue, __u64, struct xv_fdb_key, XV_FDB_ENTRIES);
XV_HASH(neighs, struct xv_neigh_key, struct xv_neigh, XV_NEIGHS_MAX);
XV_ARRAY(miss_ratelimit, BPF_MAP_TYPE_ARRAY, struct xv_ratelimit_set, 1 << XV_RATELIMIT_BITS);
XV_ARRAY(listener_mask, BPF_MAP_TYPE_ARRAY, __u32, 1);
XV_ARRAY(wakeup_taps, BPF_MAP_TYPE_ARRAY, __u32, XV_LISTENERS_MAX);
XV_ARRAY(senders, BPF_MAP_TYPE_ARRAY, struct xv_sender, XV_SENDERS);
XV_ARRAY(gro_flows, BPF_MAP_TYPE_ARRAY, __u32, XV_GRO_FLOWS);

/*
 * TC programs look devices up here, XDP programs redirect through it. The kernel removes a device
 * when it is deleted or leaves the namespace, so a reused ifindex is not taken for it.
 */
struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
    __uint(max_entries, XV_SLOTS + XV_PORTS_MAX);
    __type(key, __u32);
    __type(value, struct bpf_devmap_val);
} alive SEC(".maps");

/* Shared memory, since user space counts in these too. */
#define XV_SHARED_ARRAY(map, value_type, entries)                                                  \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                          \
        __uint(map_flags, BPF_F_MMAPABLE);                                                         \
        __uint(max_entries, entries);                                                              \
        __type(key, __u32);                                                                        \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")

XV_SHARED_ARRAY(fdb_count, __u64, XV_SLOTS);
XV_SHARED_ARRAY(gc_state, struct xv_gc, 1);

struct gc_timer {
    struct bpf_timer timer;
    __u64 limit; /* the queue's tail at the last tick */
};
XV_ARRAY(gc_timer, BPF_MAP_TYPE_ARRAY, struct gc_timer, 1);

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, XV_LISTENERS_MAX);
    __type(key, __u32);
    __array(
        values, struct {
            __uint(type, BPF_MAP_TYPE_RINGBUF);
            __uint(max_entries, 4096); /* of the template; each listener chooses its own size */
        });
} listeners SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, XV_PMTUS_MAX);
    __type(key, struct xv_addr);
    __type(value, struct xv_pmtu);
} pmtus SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, XV_NEXTHOPS_MAX);
    __type(key, struct xv_nexthop_key);
    __type(value, struct xv_nexthop);
} nexthops SEC(".maps");

#endif
