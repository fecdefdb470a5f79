/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys and values of all maps, for the BPF programs (C) and user space (C++). Numbers are in
 * host byte order unless their type is __be*. Structs have no implicit padding, since keys are
 * hashed as bytes. bpf/abi/maps.def says which map has them.
 */
#ifndef XVTEP_TABLES_H
#define XVTEP_TABLES_H

#include <linux/types.h>

#include "bpf/abi/reasons.h"

/*
 * A data path is used only by an xvtep of the same layout. Raise the first number on any change to
 * this file or to bpf/maps.h; the second follows from the list of reasons by itself.
 */
#define XV_LAYOUT (8 * 1000U + XV_REASONS)

#define XV_SLOTS 8192 /* slot 0 is none */
#define XV_VNI_HINTS 16384
#define XV_PORT_HINTS 4096
#define XV_FDB_ENTRIES (1 << 20)
#define XV_FLOOD_MAX 512 /* destinations of an entry */
#define XV_MEMBERS_MAX 128
#define XV_PORTS_MAX 4096
#define XV_VLANS_MAX 16384
#define XV_NEXTHOPS_MAX 16384
#define XV_PMTUS_MAX 4096
#define XV_UNDERLAYS_MAX 16 /* underlay ports of one VTEP */
#define XV_NEIGHS_MAX (1 << 20)
#define XV_LISTENERS_MAX 16
#define XV_RATELIMIT_BITS 12 /* 2^12 sets: with several thousand keys few are raised too often */
#define XV_RATELIMIT_WAYS 4
#define XV_SENDERS 4096   /* a power of 2 */
#define XV_GRO_FLOWS 4096 /* a power of 2 */

/*
 * The share of the FDB that learning may fill: a VTEP with XV_FDB_SMALL entries or more learns
 * while all VTEPs together have less than XV_FDB_SHARED, a smaller one up to XV_FDB_LEARNED. The
 * rest is for entries that user space writes.
 */
#define XV_FDB_SMALL 256
#define XV_FDB_SHARED (XV_FDB_ENTRIES / 2)
#define XV_FDB_LEARNED (XV_FDB_ENTRIES / 8 * 7)

/* IPv6, or IPv4 as ::ffff:a.b.c.d; network byte order. */
struct xv_addr {
    __be32 word[4];
};

struct xv_vni_key {
    __u32 vni;
    __be16 dstport;
    __u16 zero;
};

enum xv_vtep_flag {
    XV_VTEP_V6 = 1 << 0, /* the underlay is IPv6 */
    XV_VTEP_LEARNING = 1 << 1,
    XV_VTEP_UDPCSUM = 1 << 2, /* send a UDP checksum */
    XV_VTEP_ZERO_CSUM6_RX = 1 << 3,
    XV_VTEP_TTL_INHERIT = 1 << 4,
    XV_VTEP_TOS_INHERIT = 1 << 5,
    XV_VTEP_DF_SET = 1 << 6,
    XV_VTEP_DF_INHERIT = 1 << 7,
    XV_VTEP_MADE_BRIDGE = 1 << 8, /* attach made the bridge: the last detach removes it */
    XV_VTEP_PROXY = 1 << 10,
    XV_VTEP_RSC = 1 << 11,
    XV_VTEP_L2MISS = 1 << 12,
    XV_VTEP_L3MISS = 1 << 13,
    XV_VTEP_GBP = 1 << 14,
};

/*
 * The fields that decapsulation reads are together, from byte 8 on: in one cache line where array
 * values start at 56 modulo 64 (Linux 6.18), else in two.
 */
struct xv_vtep {
    __be32 flowlabel;
    __u32 reachable; /* seconds for which a reachable neighbour is valid */
    __u32 slot;
    __u32 vni;
    __u32 ifindex; /* of the VTEP's own device */
    __u32 flags;   /* enum xv_vtep_flag */
    struct xv_addr local;
    __be16 dstport;
    __u8 mac[6];                        /* of the device */
    __u32 reserved_flags, reserved_vni; /* bits of the VXLAN header that must be 0 */
    __u8 underlay_mac[6];               /* of the first underlay port */
    __u16 nonce;                        /* differs between namespaces: see struct xv_meta */
    __u32 members;                      /* number of entries in `members` */
    __u16 underlay_count;
    /* When this bit of the clock (ns) changes, the kernel's device sees live sources; 63: never. */
    __u16 renew_shift;

    struct xv_addr remote;          /* the default remote or group; all zeros: none */
    __u16 srcport_min, srcport_max; /* max is not used, unless it is min, as in the kernel */
    __u16 zero16;
    __u8 ttl; /* never 0 */
    __u8 tos;
    __u32 ageing;                      /* seconds after the last frame; 0: entries stay */
    __u32 hard_ageing;                 /* seconds after learning, even if live; 0: no limit */
    __u32 maxaddress;                  /* 0: no limit */
    __u32 bridge;                      /* ifindex given with --bridge, or 0 */
    __u32 underlays[XV_UNDERLAYS_MAX]; /* ifindexes, as given to attach */
    char name[16];                     /* of the device when last seen; NUL-terminated */
};

struct xv_counters {
    __u64 rx_packets, rx_bytes; /* inner frames delivered */
    __u64 tx_packets, tx_bytes; /* inner frames encapsulated */
    __u64 events_lost;          /* miss events that did not fit into a listener's ring buffer */
    __u64 reason[59];           /* packets by enum xv_reason */
};

enum xv_mode { XV_MODE_TC = 1, XV_MODE_XDP, XV_MODE_SKB };

struct xv_underlay {
    __u32 slot;
    __u32 mode;        /* enum xv_mode */
    __u32 made_clsact; /* attach made the clsact qdisc: detach removes it */
    __u32 auto_mode;   /* `mode` was chosen by --mode auto */
    __u8 mac[6];
    __u16 xdp_xmit; /* the device takes frames that XDP redirects to it */
    __u32 made_gro; /* attach switched GRO on: detach switches it off */
};

enum xv_port_flag {
    XV_PORT_BRIDGED = 1 << 0,   /* the port is in a bridge */
    XV_PORT_PEER = 1 << 1,      /* a veth: bpf_redirect_peer() reaches the container */
    XV_PORT_XDP = 1 << 2,       /* the device takes frames that XDP redirects to it */
    XV_PORT_TRUNK = 1 << 3,     /* maps VLANs; untagged frames only if `vtep` is set */
    XV_PORT_AUTO_MODE = 1 << 6, /* `mode` was chosen by --mode auto */
    /* Changes by `port add`, which `port del` undoes. */
    XV_PORT_MADE_CLSACT = 1 << 4,     /* made the clsact qdisc */
    XV_PORT_MADE_GRO = 1 << 5,        /* switched on the peer's GRO */
    XV_PORT_MADE_CTAG = 1 << 7,       /* switched off the peer's offload of 802.1Q tags */
    XV_PORT_MADE_STAG = 1 << 8,       /* and of 802.1ad tags */
    XV_PORT_MADE_CSUM = 1 << 9,       /* switched off the peer's checksum offload */
    XV_PORT_MADE_SCTP_CSUM = 1 << 10, /* and that of SCTP */
};

struct xv_port {
    __u32 slot; /* of the port's counters */
    __u32 vtep; /* slot of the VTEP of untagged frames, or 0 */
    __u32 mode; /* enum xv_mode */
    __u32 flags;
    /* The source of the last frame, and its time (CLOCK_MONOTONIC ns, coarse): see port_check(). */
    __u64 last_time;
    __u8 last_smac[6];
    __u16 last_vid;
    /* A source that is known elsewhere: tc_port_egress learns it if the bridge agrees. */
    __u8 claimed_mac[6];
    __u16 zero;
};

struct xv_port_hint {
    struct xv_port port;
    __u32 ifindex; /* 0: none */
    __u32 zero;
};

struct xv_vlan_key {
    __u32 ifindex;
    __u32 vid;
};

struct xv_member_key {
    __u32 slot;
    __u32 index;
};

struct xv_member {
    __u32 ifindex;
    __u32 vid;
};

struct xv_fdb_key {
    __u32 vni;
    __be16 dstport;
    __u8 mac[6];
};

enum xv_fdb_flag {
    XV_FDB_LOCAL = 1 << 0, /* behind the local port `ifindex`, in VLAN `vid` */
    XV_FDB_STATIC = 1 << 1,
    XV_FDB_PERMANENT = 1 << 2,
    XV_FDB_ROUTER = 1 << 3,
    XV_FDB_USER = 1 << 4,    /* user space wrote it */
    XV_FDB_PEER = 1 << 5,    /* the port has XV_PORT_PEER */
    XV_FDB_XDP = 1 << 6,     /* the port has XV_PORT_XDP */
    XV_FDB_BRIDGED = 1 << 7, /* the port has XV_PORT_BRIDGED, and the bridge serves the VLAN */
    /* A count of two bits: frames left to the kernel's device of which none has come out yet. */
    XV_FDB_UNANSWERED = 1 << 8,
    XV_FDB_UNANSWERED_MAX = 3 << 8,
    /* The bridge has sent a frame for the MAC to the port that claims it. */
    XV_FDB_CLAIMED = 1 << 10,
};

/* The destination of an entry: a VTEP, or a local port. */
struct xv_remote {
    struct xv_addr addr; /* all zeros: only the kernel's device knows the VTEP */
    __u32 vni;           /* to send with */
    __u32 ifindex;       /* the underlay port to send from (0: any), or the local port */
    __be16 port;
    __u16 vid; /* at the local port; 0: untagged */
};

struct xv_fdb {
    struct xv_remote dest;
    __u16 flags;       /* enum xv_fdb_flag */
    __u16 remotes;     /* 1 .. XV_FLOOD_MAX */
    __u64 updated;     /* CLOCK_MONOTONIC ns: written, or last frame from the MAC */
    __u64 used;        /* CLOCK_MONOTONIC ns: last frame to the MAC, to the second */
    __u32 created;     /* xv_stamp(): learned, or moved */
    __u32 bridge_seen; /* xv_stamp(): the bridge last sent a frame for the MAC this way; 0: never */
    __u64 gc_seq;      /* its key in `gc_queue`; 0: not queued */
};

/* A CLOCK_MONOTONIC time in units of 2^20 ns, about a millisecond: it wraps after 52 days. */
static inline __u32 xv_stamp(__u64 ns)
{
    return ns >> 20 & 0xffffffff;
}

/*
 * Nanoseconds from `stamp` to `now`, if less than 52 days. The coarse clock lags behind other
 * clocks a little, so a stamp up to a quarter of a second in the future counts as now.
 */
static inline __u64 xv_since(__u64 now, __u32 stamp)
{
    const __u32 passed = xv_stamp(now) - stamp;
    const __u64 wide = passed;

    return wide > 0xffffff00 ? 0 : wide << 20;
}

/* An entry as user space hands it to xvtep_fdb_put. */
struct xv_fdb_row {
    struct xv_fdb_key key;
    __u32 zero;
    struct xv_fdb value;
};

struct xv_flood_key {
    struct xv_fdb_key entry;
    __u32 index;
};

struct xv_gc {
    __u64 head, tail; /* gc_seqs: the last one that was handled, and the last one given out */
    __u64 timer_runs;
};

struct xv_neigh_key {
    __u32 vni;
    __be16 dstport;
    __u16 zero;
    struct xv_addr addr;
};

enum xv_neigh_flag {
    XV_NEIGH_PERMANENT = 1 << 0, /* else it is valid for xv_vtep.reachable seconds */
};

struct xv_neigh {
    __u8 mac[6];
    __u16 flags;   /* enum xv_neigh_flag */
    __u64 updated; /* CLOCK_MONOTONIC ns */
};

enum xv_event_kind { XV_EVENT_L2MISS = 1, XV_EVENT_L3MISS };

/* Keys are compared whole. A full set forgets its oldest, so that event may be raised early. */
struct xv_ratelimit {
    __u64 key[3]; /* kind << 32 | ifindex of the VTEP's device; address, or a MAC and zeros */
    __u64 raised; /* CLOCK_MONOTONIC ns */
};

struct xv_ratelimit_set {
    struct xv_ratelimit way[XV_RATELIMIT_WAYS];
};

struct xv_event {
    __u64 time; /* CLOCK_MONOTONIC ns */
    __u32 vni;
    __u32 ifindex; /* the VTEP's device */
    __u32 kind;    /* enum xv_event_kind */
    __be16 dstport;
    __u8 mac[6];         /* with XV_EVENT_L2MISS */
    struct xv_addr addr; /* with XV_EVENT_L3MISS */
    __u32 zero;
};

/* Those fields of an outer packet that the host's routing may depend on. */
struct xv_nexthop_key {
    struct xv_addr dst;
    __u64 src_hash; /* xv_address_mix() of the source */
    __u32 oif;      /* the port that the entry names (`via`), or the VTEP's only one; else 0 */
    __u32 mark;     /* of the skb */
    __be16 dstport; /* UDP */
    __u8 tos;       /* without ECN */
    __u8 zero;
    __u32 zero2;
};

struct xv_nexthop {
    __u64 expires; /* CLOCK_MONOTONIC ns */
    __u32 ifindex;
    __u8 dmac[6];
    __u8 smac[6];
    __u32 mtu;         /* of the path, as a router reported it; 0: the port's */
    __u16 proven_size; /* the largest L3 packet that the kernel has sent there in one piece */
    __u16 xdp;         /* the port has xdp_xmit */
};

/* A hash of an address. */
static inline __u64 xv_address_mix(const struct xv_addr *a)
{
    const __u64 first = a->word[0], third = a->word[2];

    return (first << 32 | a->word[1]) * 0x9e3779b97f4a7c15ULL + (third << 32 | a->word[3]);
}

/* A VTEP that sends to one of our UDP ports. */
struct xv_sender {
    struct xv_addr addr;
    __u32 admitted; /* xv_stamp(): the kernel last decapsulated a packet from it; 0: never */
    __be16 port;
    __u16 last_marked; /* CLOCK_MONOTONIC in units of 2^30 ns, | 1; 0: the index is free */
};

/* The first index that a sender may have in `senders`; the others are this one ^ 1, ^ 2, ^ 3. */
static inline __u32 xv_sender_index(const struct xv_addr *addr, __be16 port)
{
    return (xv_address_mix(addr) + port) * 0x9e3779b97f4a7c15ULL >> 40 & (XV_SENDERS - 1);
}

struct xv_pmtu {
    __u64 expires; /* CLOCK_MONOTONIC ns */
    __u32 mtu;     /* of the outer packet */
    __u32 zero;
};

/*
 * Metadata in front of a frame, from the XDP program to the TC program of the same port: the outer
 * headers are removed.
 */
struct xv_meta {
    __u32 magic; /* XV_META_MAGIC ^ ifindex ^ nonce: another namespace's xvtep has another nonce */
    __u32 slot;
};
#define XV_META_MAGIC 0x78767431u

#ifdef __cplusplus
#define XV_ASSERT static_assert
#else
#define XV_ASSERT _Static_assert
#endif
XV_ASSERT(sizeof(struct xv_vni_key) == 8, "no padding");
XV_ASSERT(sizeof(struct xv_port) == 40, "no padding");
XV_ASSERT(sizeof(struct xv_port_hint) == 48, "no padding");
XV_ASSERT(sizeof(struct xv_fdb_key) == 12, "no padding");
XV_ASSERT(sizeof(struct xv_remote) == 28, "no padding");
XV_ASSERT(sizeof(struct xv_fdb) == 64, "no padding");
XV_ASSERT(sizeof(struct xv_fdb_row) == 80, "no padding");
XV_ASSERT(sizeof(struct xv_flood_key) == 16, "no padding");
XV_ASSERT(sizeof(struct xv_neigh_key) == 24, "no padding");
XV_ASSERT(sizeof(struct xv_neigh) == 16, "no padding");
XV_ASSERT(sizeof(struct xv_ratelimit) == 32, "no padding");
XV_ASSERT(sizeof(struct xv_event) == 48, "no padding");
XV_ASSERT(sizeof(struct xv_nexthop_key) == 40, "no padding");
XV_ASSERT(sizeof(struct xv_nexthop) == 32, "no padding");
XV_ASSERT(sizeof(struct xv_sender) == 24, "no padding");
XV_ASSERT(sizeof(struct xv_vtep) == 192, "no padding, and whole cache lines");
XV_ASSERT(sizeof(struct xv_counters) == 512, "no padding");
XV_ASSERT(XV_REASONS <= 59, "xv_counters.reason is too small");

#endif
