// SPDX-License-Identifier: GPL-2.0-only
/*
 * The peer "kernel-external": a collect-metadata vxlan device steered by TC programs with an FDB
 * in a hash map, as container networks do it. One VNI; what has no entry goes to the default.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>
#include <stddef.h>

struct entry_key {
    __u32 vni;
    __u8 mac[6];
    __u16 zero;
};

struct entry {
    __u32 remote;  /* host byte order; 0: local */
    __u32 ifindex; /* of the container's port, where local */
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct entry_key);
    __type(value, struct entry);
} fdb SEC(".maps");

const volatile __u32 vni, device, port, remote;

static __always_inline struct entry *find(struct __sk_buff *skb, __u32 of)
{
    __u8 *data = (__u8 *)(long)skb->data;
    struct entry_key key = {.vni = of};

    if (data + 14 > (__u8 *)(long)skb->data_end)
        return NULL;
    __builtin_memcpy(key.mac, data, 6);
    return bpf_map_lookup_elem(&fdb, &key);
}

/* Ingress of the vxlan device. */
SEC("tc")
int external_in(struct __sk_buff *skb)
{
    struct bpf_tunnel_key key = {};
    struct entry *entry;

    if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) || key.tunnel_id != vni)
        return TC_ACT_SHOT;
    entry = find(skb, key.tunnel_id);
    return bpf_redirect_peer(entry && entry->ifindex ? entry->ifindex : port, 0);
}

/* Ingress of the container's port. */
SEC("tc")
int external_out(struct __sk_buff *skb)
{
    struct entry *entry = find(skb, vni);
    struct bpf_tunnel_key key = {.tunnel_id = vni, .tunnel_ttl = 64};

    key.remote_ipv4 = entry && entry->remote ? entry->remote : remote;
    if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX))
        return TC_ACT_SHOT;
    return bpf_redirect(device, 0);
}

char LICENSE[] SEC("license") = "GPL";
