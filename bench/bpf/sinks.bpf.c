// SPDX-License-Identifier: GPL-2.0-only
/* Where frames end: counted, or the last one kept to be looked at, and dropped. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bench/bpf/captured.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct captured);
} captured SEC(".maps");

static __always_inline void count(__u32 frames)
{
    __u32 zero = 0;
    __u64 *all = bpf_map_lookup_elem(&seen, &zero);

    if (all)
        *all += frames;
}

SEC("tc")
int tc_count(struct __sk_buff *skb)
{
    __u32 segments = skb->gso_segs;

    count(segments ? segments : 1);
    return TC_ACT_SHOT;
}

SEC("xdp")
int xdp_count(struct xdp_md *ctx)
{
    count(1);
    return XDP_DROP;
}

/* The same, and lets pass: for devices that go on to deliver. */
SEC("tc")
int tc_count_pass(struct __sk_buff *skb)
{
    __u32 segments = skb->gso_segs;

    count(segments ? segments : 1);
    return TC_ACT_UNSPEC;
}

/* Over IPv4: not ARP, nor what bridges say for themselves. */
static __always_inline int is_udp(const __u8 *head)
{
    return head[12] == 8 && head[13] == 0 && head[23] == 17;
}

SEC("tc")
int tc_capture(struct __sk_buff *skb)
{
    __u32 zero = 0, size = skb->len;
    struct captured *c = bpf_map_lookup_elem(&captured, &zero);
    __u8 head[24];

    if (!c || size < 1 || size > sizeof(c->frame))
        return TC_ACT_SHOT;
    if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)) || !is_udp(head))
        return TC_ACT_SHOT;
    if (bpf_skb_load_bytes(skb, 0, c->frame, size) == 0) {
        c->size = size;
        __sync_fetch_and_add(&c->count, 1);
    }
    return TC_ACT_SHOT;
}

SEC("xdp")
int xdp_capture(struct xdp_md *ctx)
{
    __u32 zero = 0, size = ctx->data_end - ctx->data;
    struct captured *c = bpf_map_lookup_elem(&captured, &zero);
    __u8 head[24];

    if (!c || size < sizeof(struct ethhdr) || size > sizeof(c->frame))
        return XDP_DROP;
    if (bpf_xdp_load_bytes(ctx, 0, head, sizeof(head)) || !is_udp(head))
        return XDP_DROP;
    if (bpf_xdp_load_bytes(ctx, 0, c->frame, size) == 0) {
        c->size = size;
        __sync_fetch_and_add(&c->count, 1);
    }
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
