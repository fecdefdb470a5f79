// SPDX-License-Identifier: GPL-2.0-only
/* Where frames end: counted, or kept to be looked at, and dropped. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>
#include <stddef.h>

#include "bench/bpf/captured.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} seen SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} captured SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct captured);
} scratch SEC(".maps");

__u32 keeping; /* whether frames are kept instead of counted */

static __always_inline void count(__u32 frames)
{
    __u32 zero = 0;
    __u64 *all = bpf_map_lookup_elem(&seen, &zero);

    if (all)
        *all += frames;
}

/* Over IPv4: not ARP, nor what bridges say for themselves. */
static __always_inline int is_udp(const __u8 *head)
{
    return head[12] == 8 && head[13] == 0 && head[23] == 17;
}

static __always_inline struct captured *room(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&scratch, &zero);
}

/* The verifier follows neither test once the compiler has made one of them. */
#define FITS(size)                                                                                 \
    ({                                                                                             \
        barrier_var(size);                                                                         \
        size <= sizeof(((struct captured *)0)->frame);                                             \
    }) &&                                                                                          \
        ({                                                                                         \
            barrier_var(size);                                                                     \
            size >= 24;                                                                            \
        })

static __always_inline void keep(struct captured *c, __u32 size, __u32 ifindex)
{
    c->ifindex = ifindex;
    c->size = size;
    if (is_udp(c->frame))
        bpf_ringbuf_output(&captured, c, offsetof(struct captured, frame) + size, 0);
}

SEC("tc")
int tc_sink(struct __sk_buff *skb)
{
    __u32 segments = skb->gso_segs, size = skb->len;
    struct captured *c;

    if (!keeping) {
        count(segments ? segments : 1);
        return TC_ACT_SHOT;
    }
    c = room();
    if (c && FITS(size) && bpf_skb_load_bytes(skb, 0, c->frame, size) == 0)
        keep(c, size, skb->ifindex);
    return TC_ACT_SHOT;
}

SEC("xdp")
int xdp_sink(struct xdp_md *ctx)
{
    __u32 size = ctx->data_end - ctx->data;
    struct captured *c;

    if (!keeping) {
        count(1);
        return XDP_DROP;
    }
    c = room();
    if (c && FITS(size) && bpf_xdp_load_bytes(ctx, 0, c->frame, size) == 0)
        keep(c, size, ctx->ingress_ifindex);
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
