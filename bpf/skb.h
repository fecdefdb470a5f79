/* SPDX-License-Identifier: GPL-2.0-only */
/* Access to a packet in TC programs: reading it, its GSO segments, and the programs' actions. */
#ifndef XVTEP_BPF_SKB_H
#define XVTEP_BPF_SKB_H

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "bpf/abi/wire.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/count.h"
#include "bpf/cursor.h"
#include "bpf/parse_inner.h"

#define XV_LINEAR 128         /* bytes: the outer and inner headers, as far as we read them */
#define XV_PASS TC_ACT_UNSPEC /* also TCX_NEXT, so that other programs run after ours */
#define XV_PACKET_HOST 0      /* linux/if_packet.h */
#define XV_PACKET_OTHERHOST 3

static __always_inline struct cursor skb_cursor(struct __sk_buff *skb)
{
    return (struct cursor){.at = (void *)(long)skb->data, .end = (void *)(long)skb->data_end};
}

/* A cursor over the first `size` bytes, or all. Other pointers into the packet become invalid. */
static __always_inline struct cursor skb_pull(struct __sk_buff *skb, __u32 size)
{
    struct cursor c = skb_cursor(skb);

    if (c.at + size > c.end && skb->len > c.end - c.at) {
        bpf_skb_pull_data(skb, skb->len < size ? skb->len : size);
        c = skb_cursor(skb);
    }
    return c;
}

/* Returns 0, or 1 if the packet is too short. */
static __always_inline int skb_read_eth(struct __sk_buff *skb, struct ethhdr *eth)
{
    struct cursor c = skb_pull(skb, sizeof(*eth));
    struct ethhdr *at = take(&c, sizeof(*eth));

    if (!at)
        return 1;
    mac_copy(eth->h_dest, at->h_dest);
    mac_copy(eth->h_source, at->h_source);
    eth->h_proto = at->h_proto;
    return 0;
}

/*
 * Goes on after parse_inner() of a frame with IPv6 extension headers: sets l4_proto and l4_offset
 * to the header behind them. They are not part of the flow: BIG TCP puts a hop-by-hop header in
 * front of some packets of a flow. `before`: size of what is in front of the frame.
 */
XV_STEP int skb_parse_extensions(struct __sk_buff *skb, struct inner *in, __u32 before)
{
    __be16 words[4];
    __u8 *bytes = (__u8 *)words, next;
    __u32 at;

    if (!in)
        return 0;
    next = in->l4_proto;
    in->l4_proto = XV_NO_L4;
    at = in->l3_offset + sizeof(struct ipv6hdr);
    for (int n = 0; n < XV_EXTENSIONS_MAX && is_extension(next); n++) {
        if (bpf_skb_load_bytes(skb, before + at, words, 8))
            break;
        next = bytes[0];
        at += 8 + bytes[1] * 8;
    }
    if (!is_extension(next) && next != IPPROTO_FRAGMENT && before + at <= skb->len) {
        in->l4_proto = next;
        in->l4_offset = in->headers = at;
    }
    in->flow = flow_mix(in->flow, in->l4_proto);
    if (!has_ports(in->l4_proto) || bpf_skb_load_bytes(skb, before + at, words, 4))
        return 0;
    in->flow = flow_mix(in->flow, (__u64)words[0] << 16 | words[1]);
    if (in->l4_proto == IPPROTO_TCP && !bpf_skb_load_bytes(skb, before + at + 12, words, 8))
        in->headers += (bytes[0] >> 4) * 4;
    else
        in->headers += 8;
    return 0;
}

/*
 * Parses the headers of a frame, whose first tag may be in skb metadata. Each step on the way out
 * that needs them parses them again, up to three times for a packet. Kept in one place, struct
 * inner would be in the stack frame of tc_port_ingress or tc_device_egress while all other steps
 * run, and the stack of 512 bytes has no room for that: see XV_STEP.
 */
XV_STEP int parse_frame(struct __sk_buff *skb, struct inner *in)
{
    struct cursor c = skb_pull(skb, XV_LINEAR);
    struct ethhdr *eth = take(&c, sizeof(*eth));

    if (!eth || !in)
        return XV_REWRITE_FAILED;
    parse_inner(&c, in, eth);
    if (in->extended)
        skb_parse_extensions(skb, in, 0);
    in->tagged |= skb->vlan_present;
    return XV_CONTINUE;
}

/*
 * Number of packets that a GSO packet becomes. `headers`: size of the headers that each segment
 * repeats; they are needed because gso_segs is 0 after any bpf_skb_adjust_room().
 */
static __always_inline __u32 skb_segments(struct __sk_buff *skb, __u32 headers)
{
    __u32 size = skb->gso_size, segments = skb->gso_segs;

    if (!size || segments)
        return segments ? segments : 1;
    return skb->len > headers ? (skb->len - headers + size - 1) / size : 1;
}

/* As skb_segments(), where the inner headers are not known: assumes TCP over IPv4 in the tunnel. */
static __always_inline __u32 skb_packets(struct __sk_buff *skb)
{
    return skb_segments(skb, XV_OUTER_V4 + ETH_HLEN + 20 + 20);
}

/*
 * Generic XDP may hand on a copy of the packet whose mac_len is 0, and TC then starts at the L3
 * header. Puts the MAC header back in front of it; returns whether that was needed.
 */
static __always_inline int skb_restore_mac(struct __sk_buff *skb)
{
    struct ethhdr seen XV_ALIGN2, real XV_ALIGN2;

    if (bpf_skb_load_bytes_relative(skb, 0, &real, sizeof(real), BPF_HDR_START_MAC))
        return 0;
    if (!bpf_skb_load_bytes(skb, 0, &seen, sizeof(seen)) && mac_equal(seen.h_dest, real.h_dest) &&
        mac_equal(seen.h_source, real.h_source) && seen.h_proto == real.h_proto)
        return 0;
    return !bpf_skb_change_head(skb, sizeof(real), 0) &&
           !bpf_skb_store_bytes(skb, 0, &real, sizeof(real), 0);
}

/*
 * A VLAN device with `reorder_hdr off` leaves its own tag in the packet, where the kernel's stack
 * steps over it: skb->protocol tells. Takes it off; returns whether there was one. A tag can be
 * popped only when skb->protocol says that there is one, so push two, of which the first one moves
 * into the packet, and pop three.
 */
XV_STEP int skb_drop_device_tag(struct __sk_buff *skb)
{
    __be16 proto;

    if (skb->vlan_present || bpf_skb_load_bytes(skb, 12, &proto, sizeof(proto)) ||
        skb->protocol == proto ||
        (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD)))
        return 0;
    return !bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) &&
           !bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) && !bpf_skb_vlan_pop(skb) &&
           !bpf_skb_vlan_pop(skb) && !bpf_skb_vlan_pop(skb);
}

/* Counts the reason and turns it into the program's action: the frame is dropped or passed on. */
static __always_inline int to_action(__u32 slot, int reason, __u32 packets)
{
    count_reason(slot, reason, packets);
    return reason_drops(reason) ? TC_ACT_SHOT : XV_PASS;
}

#endif
