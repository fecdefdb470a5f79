// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system "bare": what any tunnel of BPF programs costs at least. Where xvtep's programs are, 50
 * bytes are put on or taken off and the frame is redirected; nothing is parsed, checked, learned or
 * counted, and nothing looked up but, with `look_up`, the destination in a hash of a million.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OUTER 50 /* Ethernet, IPv4, UDP, VXLAN */
#define ETH 14

struct place {
    __u32 vni;
    __u16 zero;
    __u8 mac[6];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1 << 20);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct place);
    __uint(value_size, 24); /* as xvtep's entries, of which the first word is the port */
} fdb SEC(".maps");

const volatile __u32 underlay, port, vni;
const volatile __u32 sum; /* of the halves of `outer`'s IP header */
__u8 outer[OUTER];        /* lengths and checksum 0 */
__u32 look_up;

static __always_inline void write_outer(__u8 *at, __u32 size)
{
    __u32 check = sum + bpf_htons(OUTER - ETH + size);

    __builtin_memcpy(at, outer, OUTER);
    check = (check & 0xffff) + (check >> 16);
    *(__be16 *)(at + 16) = bpf_htons(OUTER - ETH + size);
    *(__be16 *)(at + 24) = ~((check & 0xffff) + (check >> 16));
    *(__be16 *)(at + 38) = bpf_htons(OUTER - ETH - 20 + size);
}

SEC("xdp.frags")
int bare_xdp_in(struct xdp_md *ctx)
{
    if ((__u8 *)(long)ctx->data + OUTER + ETH > (__u8 *)(long)ctx->data_end)
        return XDP_PASS;
    return bpf_xdp_adjust_head(ctx, OUTER) ? XDP_ABORTED : bpf_redirect(port, 0);
}

SEC("xdp.frags")
int bare_xdp_out(struct xdp_md *ctx)
{
    __u32 size = bpf_xdp_get_buff_len(ctx), to = underlay;
    __u8 *at = (__u8 *)(long)ctx->data;

    if (look_up) {
        struct place place = {.vni = vni};
        __u32 *found;

        if (at + ETH > (__u8 *)(long)ctx->data_end)
            return XDP_PASS;
        __builtin_memcpy(place.mac, at, 6);
        found = bpf_map_lookup_elem(&fdb, &place);
        if (!found)
            return XDP_DROP;
        to = *found;
    }
    if (bpf_xdp_adjust_head(ctx, -OUTER))
        return XDP_ABORTED;
    at = (__u8 *)(long)ctx->data;
    if (at + OUTER > (__u8 *)(long)ctx->data_end)
        return XDP_ABORTED;
    write_outer(at, size);
    return bpf_redirect(to, 0);
}

SEC("tc")
int bare_tc_in(struct __sk_buff *skb)
{
    __u8 inner[ETH];

    if (bpf_skb_load_bytes(skb, OUTER, inner, ETH))
        return TC_ACT_UNSPEC;
    if (bpf_skb_adjust_room(skb, -OUTER, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ||
        bpf_skb_store_bytes(skb, 0, inner, ETH, 0))
        return TC_ACT_SHOT;
    return bpf_redirect_peer(port, 0);
}

SEC("tc")
int bare_tc_out(struct __sk_buff *skb)
{
    __u8 headers[OUTER + ETH];

    write_outer(headers, skb->len);
    if (bpf_skb_load_bytes(skb, 0, headers + OUTER, ETH) ||
        bpf_skb_adjust_room(skb, OUTER, BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
                                BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                                BPF_F_ADJ_ROOM_ENCAP_L2(ETH)) ||
        bpf_skb_store_bytes(skb, 0, headers, sizeof(headers), 0))
        return TC_ACT_SHOT;
    return bpf_redirect(underlay, 0);
}

char LICENSE[] SEC("license") = "GPL";
