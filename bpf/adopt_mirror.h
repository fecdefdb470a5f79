/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mirror of a vxlan device's forwarding database in the map `fdb`.
 *
 * The filter of an rtnetlink socket runs within the call that changes the kernel's table, so no
 * entry is behind once that call has returned, whatever the service does meanwhile. Messages about
 * entries end here: they are never queued, and so they never overflow the socket.
 *
 * Only what is plain is mirrored: one VTEP for a unicast MAC, by the device's own VNI and UDP port
 * and by the route. A message of an entry that is not removes the mirror's.
 *
 *   filter:  tombstone if a dump is read, then delete      NEW: put, or change `to` in place
 *   service: tombstone? put unless there is one; tombstone? delete again
 *
 * So a dump never brings back what has gone, and never overwrites what is newer.
 */
#ifndef XVTEP_BPF_ADOPT_MIRROR_H
#define XVTEP_BPF_ADOPT_MIRROR_H

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "bpf/addr.h"
#include "bpf/adopt_maps.h"
#include "bpf/common.h"
#include "bpf/fdb.h"
#include "bpf/fdb_count.h"
#include "bpf/remote.h"
#include "bpf/vtep.h"

#define XV_BRIDGE 7            /* AF_BRIDGE; sys/socket.h clashes with the kernel's headers */
#define XV_NEIGH_ATTRIBUTES 24 /* more than a message has */

static __always_inline void remote_release(__u32 id)
{
    struct xv_remote *remote = remote_by_id(id);

    if (remote) {
        remote->seen = xv_tick(bpf_ktime_get_coarse_ns());
        __sync_fetch_and_add(&remote->refs, -1);
    }
}

/* Returns the id of the remote with this address, which gets one more reference; 0: no room. */
XV_STEP int remote_hold(const struct xv_vtep *vtep, const struct xv_addr *addr, __u64 now)
{
    struct xv_adopt_service *service = adopt_get_service();
    struct xv_remote *remote;
    __u32 id;

    if (!vtep || !addr || !service)
        return 0;
    id = remote_make(vtep, addr, now);
    remote = remote_by_id(id);
    if (remote) {
        if (__sync_fetch_and_add(&remote->refs, 1) == 0)
            __sync_fetch_and_add(&service->remotes, 1);
        if (remote->id == id) /* else it has just been freed: see remote_free_unused() */
            return id;
        __sync_fetch_and_add(&remote->refs, -1);
    }
    __sync_fetch_and_add(&service->not_kept, 1);
    return 0;
}

/* Removes the entry, which may not be there. */
XV_STEP int mirror_remove(const struct xv_vtep *vtep, const struct xv_fdb_key *at)
{
    struct xv_adopted *device;
    struct xv_fdb_key key;
    struct xv_fdb *entry;
    __u32 id, one = 1;

    if (!vtep || !at)
        return 0;
    key = *at;
    device = adopted_by_slot(vtep->slot);
    if (!device)
        return 0;
    if (device->dumping) {
        if (bpf_map_update_elem(&adopt_tombstones, &key, &one, BPF_ANY))
            __sync_fetch_and_add(&device->overflow, 1);
        __sync_fetch_and_add(&device->deletions, 1);
    }
    entry = bpf_map_lookup_elem(&fdb, &key);
    if (!entry)
        return 0;
    id = __sync_lock_test_and_set(&entry->to, 0); /* whoever takes it releases the remote */
    if (!bpf_map_delete_elem(&fdb, &key))
        fdb_count_release(vtep);
    if (id)
        remote_release(id);
    return 0;
}

struct mirror_place {
    struct xv_addr addr;
    __u32 flags; /* of the entry */
    __u32 only_new;
};

static __always_inline void count_entry(const struct xv_vtep *vtep)
{
    __u64 *used = fdb_count_of(vtep->slot), *all = fdb_count_of(0);

    if (!used || !all)
        return;
    __sync_fetch_and_add(used, 1);
    __sync_fetch_and_add(all, 1);
}

/*
 * Writes the entry, or gives the one that is there another remote. Returns 1 if it is written. If
 * there is no room, no entry is left, so that frames go by the kernel's.
 */
XV_STEP int mirror_put(const struct xv_vtep *vtep, const struct xv_fdb_key *at,
                       const struct mirror_place *place)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    struct xv_fdb fresh = {};
    struct xv_fdb_key key;
    struct xv_fdb *entry;
    __u32 id, old = 0;

    if (!vtep || !at || !place)
        return 0;
    key = *at;
    id = remote_hold(vtep, &place->addr, now);
    if (!id) {
        if (!place->only_new)
            mirror_remove(vtep, at);
        return 0;
    }
    fresh.to = id;
    fresh.several = 1;
    fresh.flags = place->flags;
    fresh.updated = fresh.used = fresh.created = xv_tick(now);
    if (!bpf_map_update_elem(&fdb, &key, &fresh, BPF_NOEXIST)) {
        count_entry(vtep);
        return 1;
    }
    entry = place->only_new ? NULL : bpf_map_lookup_elem(&fdb, &key);
    if (!entry) {
        remote_release(id);
        return 0;
    }
    entry->flags = place->flags;
    entry->updated = xv_tick(now);
    old = __sync_lock_test_and_set(&entry->to, id);
    if (old)
        remote_release(old);
    return 1;
}

/* What a message says about an entry. */
struct neigh_message {
    struct __sk_buff *skb;
    __u32 at; /* of the next attribute */
    __u32 has_mac, has_dst, has_nexthop, is_odd;
    __be32 dst;
    __u8 mac[6];
    __u16 zero;
};

static long read_attribute(__u32 n, void *context)
{
    struct neigh_message *m = context;
    struct nlattr attribute;

    if (m->at + sizeof(attribute) > m->skb->len ||
        bpf_skb_load_bytes(m->skb, m->at, &attribute, sizeof(attribute)) ||
        attribute.nla_len < sizeof(attribute))
        return 1;
    switch (attribute.nla_type & NLA_TYPE_MASK) {
    case NDA_LLADDR:
        m->has_mac = attribute.nla_len == sizeof(attribute) + 6 &&
                     !bpf_skb_load_bytes(m->skb, m->at + sizeof(attribute), m->mac, 6);
        break;
    case NDA_DST:
        m->has_dst = 1;
        if (attribute.nla_len != sizeof(attribute) + 4 ||
            bpf_skb_load_bytes(m->skb, m->at + sizeof(attribute), &m->dst, 4))
            m->is_odd = 1;
        break;
    case NDA_NH_ID:
        m->has_nexthop = m->is_odd = 1;
        break;
    case NDA_PORT:
    case NDA_VNI:
    case NDA_IFINDEX:
    case NDA_LINK_NETNSID:
    case NDA_SRC_VNI:
        m->is_odd = 1;
        break;
    }
    m->at += (attribute.nla_len + 3) & ~3U;
    return 0;
}

/* Whether packets to the address leave as plain unicast. */
static __always_inline int is_plain_dst(__be32 dst)
{
    __u8 first = bpf_ntohl(dst) >> 24;

    return first != 0 && first != 127 && first < 224;
}

/* A message that an entry of the kernel's table is new, has changed, or is gone. */
XV_STEP int mirror_entry(struct __sk_buff *skb)
{
    struct neigh_message m = {.skb = skb, .at = NLMSG_HDRLEN + sizeof(struct ndmsg)};
    struct mirror_place place = {};
    struct xv_fdb_key key = {};
    struct xv_vtep *vtep;
    struct nlmsghdr header;
    struct ndmsg neigh;
    __u32 ifindex, *slot;

    if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) ||
        bpf_skb_load_bytes(skb, NLMSG_HDRLEN, &neigh, sizeof(neigh)) ||
        neigh.ndm_family != XV_BRIDGE || !(neigh.ndm_flags & NTF_SELF))
        return 0;
    ifindex = neigh.ndm_ifindex;
    slot = bpf_map_lookup_elem(&devices, &ifindex);
    vtep = slot ? vtep_by_slot(*slot) : NULL;
    if (!vtep)
        return 0;
    bpf_loop(XV_NEIGH_ATTRIBUTES, read_attribute, &m, 0);
    if (!m.has_mac || mac_is_multicast(m.mac) || mac_is_zero(m.mac))
        return 0;
    /* Before Linux 6.2, a second message follows each request, also one that did nothing. */
    if (!m.has_dst && !m.has_nexthop)
        return 0;
    fdb_key(&key, vtep, m.mac);
    if (header.nlmsg_type == RTM_DELNEIGH || m.is_odd || !is_plain_dst(m.dst))
        return mirror_remove(vtep, &key);
    addr_from_v4(&place.addr, m.dst);
    place.flags = XV_FDB_USER |
                  (neigh.ndm_state & NUD_PERMANENT ? XV_FDB_PERMANENT : XV_FDB_STATIC) |
                  (neigh.ndm_flags & NTF_ROUTER ? XV_FDB_ROUTER : 0);
    mirror_put(vtep, &key, &place);
    return 0;
}

/* A message about a device: stops the fast path of an adopted one. Returns what to keep of it. */
static __always_inline int mirror_link(struct __sk_buff *skb)
{
    struct xv_adopted *device;
    struct ifinfomsg link;
    __u32 ifindex, *slot;

    if (bpf_skb_load_bytes(skb, NLMSG_HDRLEN, &link, sizeof(link)))
        return 0;
    if (link.ifi_family == XV_BRIDGE)
        return 0; /* about a bridge's port; the device's own message follows if it has changed */
    ifindex = link.ifi_index;
    slot = bpf_map_lookup_elem(&devices, &ifindex);
    device = slot ? adopted_by_slot(*slot) : NULL;
    if (device)
        __sync_fetch_and_add(&device->seq, 1);
    return skb->len;
}

struct adopt_row_loop {
    struct __sk_buff *skb;
    __u32 done;
};

XV_STEP int adopt_row(const struct xv_adopt_row *row)
{
    struct mirror_place place = {.only_new = 1};
    struct xv_fdb_key key;
    struct xv_vtep *vtep;

    if (!row)
        return 0;
    if (row->op == XV_ADOPT_SWEEP) {
        remote_sweep(bpf_ktime_get_coarse_ns());
        return 0;
    }
    key = row->key;
    vtep = vtep_by_vni_rarely(key.vni, key.dstport);
    if (!vtep)
        return 0;
    if (row->op == XV_ADOPT_REMOVE)
        return mirror_remove(vtep, &key);
    if (bpf_map_lookup_elem(&adopt_tombstones, &key))
        return 0;
    place.addr = row->addr;
    place.flags = row->flags;
    if (mirror_put(vtep, &key, &place) && bpf_map_lookup_elem(&adopt_tombstones, &key))
        mirror_remove(vtep, &key);
    return 0;
}

static long adopt_one_row(__u32 index, void *context)
{
    struct adopt_row_loop *loop = context;
    struct xv_adopt_row row;

    if (bpf_skb_load_bytes(loop->skb, index * sizeof(row), &row, sizeof(row)))
        return 1;
    adopt_row(&row);
    loop->done++;
    return 0;
}

#endif
