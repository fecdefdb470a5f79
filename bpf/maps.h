/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps, one set per network namespace: those that user space shares, bpf/abi/maps.def, and
 * those that only programs use.
 */
#ifndef XVTEP_BPF_MAPS_H
#define XVTEP_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/abi/tables.h"

/* As user space has made the tables. The verifier knows the values. */
const volatile __u32 sizes[XV_SIZES] SEC(".rodata.sizes") = {XV_FDB_START, XV_REMOTES_START};

/* Not preallocated: entries are allocated as they come. */
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

#define XV_MAP_LRU_HASH(map, key_type, value_type, entries)                                        \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_LRU_HASH);                                                       \
        __uint(max_entries, entries);                                                              \
        __type(key, key_type);                                                                     \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")
#define XV_MAP_HASH(map, key, value, entries) XV_HASH(map, key, value, entries)
#define XV_MAP_ARRAY(map, key, value, entries) XV_ARRAY(map, BPF_MAP_TYPE_ARRAY, value, entries)
#define XV_MAP_PERCPU_ARRAY(map, key, value, entries)                                              \
    XV_ARRAY(map, BPF_MAP_TYPE_PERCPU_ARRAY, value, entries)
#define XV_MAP_SHARED_ARRAY(map, key_type, value_type, entries)                                    \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_ARRAY);                                                          \
        __uint(map_flags, BPF_F_MMAPABLE);                                                         \
        __uint(max_entries, entries);                                                              \
        __type(key, key_type);                                                                     \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")
#define XV_MAP_DEVMAP_HASH(map, key_type, value_type, entries)                                     \
    struct {                                                                                       \
        __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);                                                    \
        __uint(max_entries, entries);                                                              \
        __type(key, key_type);                                                                     \
        __type(value, value_type);                                                                 \
    } map SEC(".maps")

#define XV_MAP(type, map, key, value, entries) XV_MAP_##type(map, key, value, entries);
#include "bpf/abi/maps.def"
#undef XV_MAP

/* [hash of a key]: misses that were raised lately */
XV_ARRAY(miss_ratelimit, BPF_MAP_TYPE_ARRAY, struct xv_ratelimit_set, 1 << XV_RATELIMIT_BITS);
/* VTEPs that send to us: bpf/sender.h */
XV_ARRAY(senders, BPF_MAP_TYPE_ARRAY, struct xv_sender, XV_SENDERS);
/* [hash of a flow]: when a GSO packet of the flow last came in, as xv_stamp() (bpf/gro_flow.h) */
XV_ARRAY(gro_flows, BPF_MAP_TYPE_ARRAY, __u32, XV_GRO_FLOWS);

/* [hash of an address and a VTEP's slot]: the id of a remote to try first (bpf/remote.h) */
XV_ARRAY(remote_hints, BPF_MAP_TYPE_ARRAY, __u32, XV_REMOTE_HINTS);
/* [ifindex & mask]: a device that was alive at a tick of the coarse clock (bpf/alive.h) */
struct xv_alive_hint {
    __u64 asked; /* CLOCK_MONOTONIC ns, coarse */
    __u32 ifindex;
    __u32 zero;
};
#define XV_ALIVE_HINTS 1024 /* a power of 2 */
XV_ARRAY(alive_hints, BPF_MAP_TYPE_ARRAY, struct xv_alive_hint, XV_ALIVE_HINTS);

/* What the XDP programs have decided in this tick of the coarse clock: bpf/decision.h */
struct decap_decision {
    __u64 tick; /* CLOCK_MONOTONIC ns, coarse */
    struct xv_addr from;
    __u32 macs[3]; /* destination and source of the inner frame */
    __be32 vni;    /* as in the VXLAN header */
    __be16 dport;
    __u16 slot;    /* of the VTEP */
    __u32 remote;  /* the sender's id, or 0 */
    __u32 ifindex; /* the local port to redirect to; 0: hand up to TC */
};
struct encap_decision {
    __u64 tick;
    __u32 macs[3];
    __u32 ifindex; /* of the local port */
    __u32 remote;  /* the id of the destination */
    __u32 slot;
};
#define XV_DECISION_BITS 8
XV_ARRAY(decap_decisions, BPF_MAP_TYPE_PERCPU_ARRAY, struct decap_decision, 1 << XV_DECISION_BITS);
XV_ARRAY(encap_decisions, BPF_MAP_TYPE_PERCPU_ARRAY, struct encap_decision, 1 << XV_DECISION_BITS);

/* What bpf/multipath.h works on; the stack is too small for it. */
struct multipath_work {
    struct xv_multipath draft;
    __u64 hop_ids[XV_HOPS_MAX]; /* of draft.hop: see hop_id() */
    __u32 left[XV_HOPS_MAX];    /* buckets that each next hop is still due */
    struct xv_nexthop_key key;  /* of the packets that are asked for */
    struct xv_addr from;        /* their source */
    struct bpf_fib_lookup query;
    struct xv_hop answer;
    struct bpf_redir_neigh gateway; /* of a next hop that the kernel must resolve */
    struct bpf_tunnel_key zeros;
};
XV_ARRAY(multipath_work, BPF_MAP_TYPE_PERCPU_ARRAY, struct multipath_work, 1);

struct gc_timer {
    struct bpf_timer timer;
    __u64 limit; /* the queue's tail at the last tick */
};
XV_ARRAY(gc_timer, BPF_MAP_TYPE_ARRAY, struct gc_timer, 1);

/* [n]: a ring buffer of xv_event for each listener */
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

/* Path MTUs that routers told us: bpf/pmtu.h */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, XV_PMTUS_MAX);
    __type(key, struct xv_addr);
    __type(value, struct xv_pmtu);
} pmtus SEC(".maps");

#endif
