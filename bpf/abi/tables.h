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
 * A data path is used only by an xvtep of the same layout; `xvtep reload` carries an older one
 * over. A change to this file, to the list of reasons or to bpf/abi/maps.def needs a new number,
 * and what user/vtep/carry.h asks for: tests/upgrade/ fails without it.
 */
#define XV_LAYOUT 11

/*
 * Tables start small and grow: user/datapath/sizes.h. These are the sizes at the start, of which
 * bpf/abi/maps.def makes the maps, and the largest ones.
 */
#define XV_SLOTS_START 64
#define XV_PORTS_START 64
#define XV_VLANS_START 64
#define XV_FDB_START 32768
#define XV_FLOODS_START 2048
#define XV_NEIGHS_START 1024
#define XV_REMOTES_START 1024 /* as all sizes of remotes, a power of 2 */

#define XV_SLOTS 8192 /* slot 0 is none */
#define XV_VNI_HINTS 8192
#define XV_PORT_HINTS 1024
#define XV_FDB_ENTRIES (1 << 20)
#define XV_FLOOD_MAX 512 /* destinations of an entry */
#define XV_FLOODS_MAX (XV_FDB_ENTRIES / 4)
#define XV_MEMBERS_MAX 128
#define XV_PORTS_MAX 4096
#define XV_VLANS_MAX 16384
#define XV_REMOTES_MAX 32768 /* a power of 2; index 0 is none */
#define XV_REMOTE_HINTS 4096 /* a power of 2 */
#define XV_NEXTHOPS_MAX 2048
#define XV_MULTIPATHS_MAX 256
#define XV_HOPS_MAX 8 /* next hops of a route */
#define XV_BUCKETS 64 /* of flows */
#define XV_PMTUS_MAX 1024
#define XV_UNDERLAYS_MAX 16 /* underlay ports of one VTEP */
#define XV_NEIGHS_MAX (1 << 20)
#define XV_LISTENERS_MAX 16
#define XV_RATELIMIT_BITS 12 /* 2^12 sets: with several thousand keys few are raised too often */
#define XV_RATELIMIT_WAYS 4
#define XV_SENDERS 4096   /* a power of 2 */
#define XV_GRO_FLOWS 4096 /* a power of 2 */
#define XV_TICK_SHIFT 24  /* see xv_tick() */

/*
 * The part of the FDB that learning may fill; the rest is for entries that user space writes. A
 * VTEP with XV_FDB_SMALL entries or more learns only while it has less than four thirds of the
 * room that is left of that part: a single VTEP stops at half of the FDB, and each further one at
 * four sevenths of what the others have left.
 */
#define XV_FDB_SMALL 256
#define XV_FDB_LEARNED(entries) ((entries) / 8 * 7)

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
    /* No VTEP, but what all VTEPs of a device with many VNIs have in common; `vni` is 0. */
    XV_VTEP_DEVICE = 1 << 9,
    /*
     * With XV_VTEP_DEVICE: a command changes those of its VTEPs that have this flag, too; if none
     * runs, it was killed, and they are removed.
     */
    XV_VTEP_CHANGING = 1 << 16,
    /*
     * A command changes options; if none runs, it was killed, and the kernel's device, and the
     * VTEPs of a device with many VNIs, get those of the record.
     */
    XV_VTEP_CHANGING_OPTIONS = 1 << 17,
    /*
     * No local address was given: the kernel's device chooses one for each packet by the route, and
     * the programs take over what it chooses (bpf/source_addr.h).
     */
    XV_VTEP_LOCAL_AUTO = 1 << 18,
    /* No underlay port was given: those that routes lead to are attached, and the route decides. */
    XV_VTEP_ROUTED = 1 << 19,
    /* 8 bits: when the kernel's device has last chosen `local`, in units of 2^30 ns. */
    XV_VTEP_CONFIRMED_SHIFT = 24,
    XV_VTEP_PROXY = 1 << 10,
    XV_VTEP_RSC = 1 << 11,
    XV_VTEP_L2MISS = 1 << 12,
    XV_VTEP_L3MISS = 1 << 13,
    XV_VTEP_GBP = 1 << 14,
    XV_VTEP_ACCEPT_KNOWN = 1 << 15, /* packets of VTEPs that nobody named are dropped */
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
    __u16 vid; /* the VNI's VLAN on a device with many VNIs; 0: the device has one VNI */
    __u8 ttl;  /* never 0 */
    __u8 tos;
    __u32 ageing;                      /* seconds after the last frame; 0: entries stay */
    __u32 hard_ageing;                 /* seconds after learning, even if live; 0: no limit */
    __u32 maxaddress;                  /* 0: no limit */
    __u32 bridge;                      /* ifindex given with --bridge, or 0 */
    __u32 underlays[XV_UNDERLAYS_MAX]; /* ifindexes, as given to attach */
    char name[16];                     /* of the device when last seen; NUL-terminated */
};

struct xv_counters {
    /* Inner frames without a remote; the others count in `remote_counts`, and not here. */
    __u64 rx_packets, rx_bytes; /* delivered */
    __u64 tx_packets, tx_bytes; /* encapsulated */
    __u64 events_lost;          /* miss events that did not fit into a listener's ring buffer */
    __u64 not_learned;          /* frames whose source found no room in the FDB */
    __u64 reason[58];           /* packets by enum xv_reason */
};

enum xv_mode { XV_MODE_TC = 1, XV_MODE_XDP, XV_MODE_SKB };

/* How packets leave by an underlay port: bits of xv_underlay.xdp_xmit. */
enum xv_xmit {
    XV_XMIT_XDP = 1 << 0, /* the device takes frames that XDP redirects to it */
    XV_XMIT_L3 = 1 << 1,  /* its packets have no Ethernet header */
    /* Packets must bring their route along, so only the kernel sends by it. */
    XV_XMIT_KERNEL = 1 << 2,
};

struct xv_underlay {
    __u32 slot;
    __u32 mode;        /* enum xv_mode */
    __u32 made_clsact; /* attach made the clsact qdisc: detach removes it */
    __u32 auto_mode;   /* `mode` was chosen by --mode auto */
    __u8 mac[6];
    __u16 xdp_xmit; /* enum xv_xmit */
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

/*
 * In the id of a remote that an entry has: the entry names the VTEP's only underlay port. It is the
 * same remote as without the port, so the remote does not have it as `via`.
 */
#define XV_TO_NAMES_PORT 0x8000

struct xv_fdb {
    /* The id of a remote, 0 if only the kernel's device knows the VTEP; or a local port's ifindex.
     */
    __u32 to;
    __u16 flags;        /* enum xv_fdb_flag */
    __u16 several : 12; /* 1 .. XV_FLOOD_MAX remotes; or the VLAN at the local port, 0: untagged */
    __u16 gc_tag : 4;   /* of its key in `gc_queue`; 0: not queued */
    __u32 updated;      /* xv_tick(): written, or last frame from the MAC */
    __u32 used;         /* xv_tick(): last frame to the MAC, to the second */
    __u32 created;      /* xv_tick(): learned, or moved */
    __u32 bridge_seen; /* xv_stamp(): the bridge last sent a frame for the MAC this way; 0: never */
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

/* A CLOCK_MONOTONIC time in units of 2^24 ns, about 17 milliseconds: it wraps after two years. */
static inline __u32 xv_tick(__u64 ns)
{
    return ns >> XV_TICK_SHIFT & 0xffffffff;
}

/* As xv_since(), for a tick that is less than two years old. */
static inline __u64 xv_since_tick(__u64 now, __u32 tick)
{
    const __u32 passed = xv_tick(now) - tick;
    const __u64 wide = passed;

    return wide > 0xfffffff0 ? 0 : wide << XV_TICK_SHIFT;
}

/* The tag of a key in `gc_queue` for the entry itself. */
static inline __u16 xv_gc_tag(__u64 seq)
{
    return (seq % 15 + 1) & 0xf;
}

/* What the programs know of the sizes of tables: user space sets it before it loads them. */
enum xv_size {
    XV_SIZE_FDB,     /* entries */
    XV_SIZE_REMOTES, /* a power of 2 */
    XV_SIZES,
};

/* An entry as user space hands it to xvtep_fdb_put. */
struct xv_fdb_row {
    struct xv_fdb_key key;
    struct xv_fdb value;
};

struct xv_flood_key {
    struct xv_fdb_key entry;
    __u32 index;
};

/* Counters as user space hands them to xvtep_counters_add, which adds them to those of its CPU. */
struct xv_counters_row {
    __u32 index;     /* in `counters`, or in `remote_counts` */
    __u32 of_remote; /* the latter; then only the first four numbers count */
    __u64 number[64];
};

/* What tells the remotes apart: a VTEP of this host, and how it sends to another VTEP. */
struct xv_remote_key {
    struct xv_addr addr;
    __u32 slot; /* of the VTEP of this host */
    __u32 vni;  /* to send with */
    __u32 via;  /* the underlay port that the entries name, or 0 */
    __be16 port;
    __u16 zero;
};

/*
 * A next hop, as the outer Ethernet header has it. Where there is none (XV_XMIT_L3), the first
 * octet of dmac is XV_L3_MAC, and all others are 0: smac is that of no port.
 */
struct xv_hop {
    __u32 ifindex;
    __u8 dmac[6];
    __u8 smac[6];
};

#define XV_L3_MAC 0x02 /* not 0, which is a next hop to be resolved, nor a group's */

/* The way of the kernel's packets to a remote. */
struct xv_path {
    struct xv_hop hop;
    __u32 mtu;         /* of the path, as a router reported it; 0: the port's */
    __u16 proven_size; /* the largest L3 packet that the kernel has sent there in one piece */
    __u8 xdp;          /* all ports of the path have XV_XMIT_XDP */
    __u8 hops;         /* more than 1: see `multipaths` */
};

/*
 * A remote VTEP as a VTEP of this host sees it: the destination of FDB entries. User space writes
 * the entries that hold `refs`; the programs make remotes for learned ones, and free a remote that
 * has no `refs` and was not seen for a while (bpf/remote.h).
 */
struct xv_remote {
    __u32 id;          /* index | generation << 16, without XV_TO_NAMES_PORT; 0: free */
    __u32 fresh_until; /* xv_stamp(): `path` may be used until then */
    struct xv_path path;
    __be32 vxlan_vni; /* as in the VXLAN header */
    __be16 port;      /* UDP destination */
    __u16 slot;
    __u32 zero0;
    __u32 admitted; /* xv_stamp() of the sender's last admission (bpf/sender.h); 0: none */
    struct xv_addr addr;

    __u32 vni;      /* to send with */
    __u32 via;      /* the underlay port to send from, or 0: the route decides */
    __u32 heard;    /* xv_tick(): last packet from there; 0: never */
    __u32 seen;     /* xv_tick(): an entry that can expire leads there */
    __u32 named;    /* the same for an entry that user space wrote; 0: never */
    __u32 refs;     /* static and permanent entries, and one for `remote add` */
    __u32 flags;    /* enum xv_remote_flag */
    __u32 claimed;  /* 1: in use, or being freed */
    __u32 freed;    /* xv_tick(): an index is not used again at once; 0: never used */
    __u32 freed_id; /* the last id of the index */
    /* With `accept known`: the id of the address's plain remote, which has the same `refs`; or 0 */
    __u32 plain;
    __u32 zero[5];
};

enum xv_remote_flag {
    XV_REMOTE_ADDED = 1 << 0, /* by `remote add` */
    XV_REMOTE_STAYS = 1 << 1, /* an entry that never expires was learned */
};

#define XV_REMOTE_QUIET 4000000000ULL /* ns: a freed index is not used for so long */
#define XV_REMOTE_LIFE 60000000000ULL /* ns after a remote was seen, or named */

/* The index of the remote with this id. */
static inline __u32 xv_remote_index(__u32 id)
{
    return id & (XV_REMOTES_MAX - 1);
}

/* What the remote is found by in `remote_ids`. */
static inline struct xv_remote_key xv_remote_key_of(const struct xv_remote *remote)
{
    const struct xv_remote_key key = {remote->addr, remote->slot, remote->vni,
                                      remote->via,  remote->port, 0};

    return key;
}

/* Whether user space, or an entry that it wrote, names the remote: see `--accept`. */
static inline int xv_remote_is_known(const struct xv_remote *remote, __u64 now)
{
    return remote->refs || (remote->named && xv_since_tick(now, remote->named) < XV_REMOTE_LIFE);
}

struct xv_remote_counters {
    __u64 rx_packets, rx_bytes, tx_packets, tx_bytes; /* inner frames */
};

/* Settings of the host that the first attach has changed, and the last detach restores. */
enum xv_host_change {
    XV_HOST_FORWARDING_V4 = 1 << 0, /* net.ipv4.conf.lo.forwarding (bpf/fib.h) */
    XV_HOST_FORWARDING_V6 = 1 << 1,
    /* No change: `ip rule` looks at IPv4 sources, so other sources say nothing about ours. */
    XV_HOST_SOURCE_RULES = 1 << 2,
};

struct xv_remote_state {
    __u32 next;  /* the index to try next for a new remote */
    __u32 sweep; /* the index that the timer looks at next */
    /* User space changes references now; if it does not, it was killed: user/vtep/remote_repair.h
     */
    __u32 changing;
    __u32 zero;
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
    /* VNI << 40 | kind << 32 | ifindex of the VTEP's device; address, or a MAC and zeros */
    __u64 key[3];
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
    __u32 vid;           /* xv_vtep.vid */
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
    struct xv_path path;
    __u32 checked; /* xv_stamp(): the routing table has last been compared; 0: it cannot be */
    __u32 zero;
};

/* Several next hops of a route, and which flows go by which. */
struct xv_multipath {
    __u32 hops;
    struct xv_hop hop[XV_HOPS_MAX]; /* dmac is all zeros: not resolved yet */
    __u32 resolved[XV_HOPS_MAX];    /* xv_stamp(): the kernel has last been asked to resolve it */
    __u16 sample[XV_HOPS_MAX];      /* a packet that the routing table sends this way */
    __u16 weight[XV_HOPS_MAX];      /* how many samples go this way */
    __u8 bucket[XV_BUCKETS];        /* by the flow's hash: an index of `hop` */
    __u8 by_source;                 /* the table looks at addresses alone */
    __u8 no_xdp; /* bit n: the port of hop[n] takes no frames from XDP, or is not attached */
    __u8 silent; /* a bit for each of `hop`: was asked for, and was not resolved within a second */
    __u8 zero;
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

/* An index that a sender may have in `senders`; the others are this one ^ 1, ^ 2, ^ 3. */
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
    __u32 place; /* the VTEP's slot, and the index of the sender's remote, or 0, above it */
};
#define XV_META_SLOT_BITS 13
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
XV_ASSERT(sizeof(struct xv_fdb) == 24, "an element of the hash fits into 96 bytes");
XV_ASSERT(sizeof(struct xv_fdb_row) == 36, "no padding");
XV_ASSERT(sizeof(struct xv_remote_key) == 32, "no padding");
XV_ASSERT(sizeof(struct xv_path) == 24, "no padding");
XV_ASSERT(sizeof(struct xv_remote) == 128, "no padding, and whole cache lines");
XV_ASSERT(sizeof(struct xv_flood_key) == 16, "no padding");
XV_ASSERT(sizeof(struct xv_neigh_key) == 24, "no padding");
XV_ASSERT(sizeof(struct xv_neigh) == 16, "no padding");
XV_ASSERT(sizeof(struct xv_ratelimit) == 32, "no padding");
XV_ASSERT(sizeof(struct xv_event) == 48, "no padding");
XV_ASSERT(sizeof(struct xv_nexthop_key) == 40, "no padding");
XV_ASSERT(sizeof(struct xv_nexthop) == 40, "no padding");
XV_ASSERT(sizeof(struct xv_multipath) == 264, "no padding");
XV_ASSERT(sizeof(struct xv_sender) == 24, "no padding");
XV_ASSERT(XV_REMOTES_MAX <= XV_TO_NAMES_PORT, "the bit is no part of an index");
XV_ASSERT(XV_SLOTS <= 1 << XV_META_SLOT_BITS, "a slot fits into xv_meta.place");
XV_ASSERT(sizeof(struct xv_vtep) == 192, "no padding, and whole cache lines");
XV_ASSERT(sizeof(struct xv_counters) == 512, "no padding, and as xv_counters_row.number");
XV_ASSERT(XV_REASONS <= 58, "xv_counters.reason is too small");

#endif
