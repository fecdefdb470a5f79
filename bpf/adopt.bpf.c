// SPDX-License-Identifier: GPL-2.0-only
/*
 * The programs of `xvtep adopt`: a fast path for vxlan devices that other software controls
 * (docs/adopt.md). They have the tables of xvtep's own VTEPs, in a data path of their own.
 *
 * in   underlay port: adopt_underlay_ingress  -> the device        adopt_ingress
 *      the device: adopt_device_ingress       what the kernel's device decapsulates
 * out  the device: adopt_device_egress        -> underlay port     adopt_egress
 *      underlay port: adopt_underlay_egress   what the kernel's device sends
 *
 * The kernel's table: adopt_mirror, the filter of an rtnetlink socket; adopt_rows, which the
 * service runs.
 */
#include "bpf/adopt_egress.h"
#include "bpf/adopt_ingress.h"
#include "bpf/adopt_mirror.h"

SEC("tc")
int xvtep_adopt_underlay_ingress(struct __sk_buff *skb)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 mark = skb->tc_index;

    /* Another namespace may have set it. */
    if (mark == XV_MARK_DELIVERED || mark == XV_MARK_DELIVERED_OTHER_MAC ||
        mark == XV_MARK_ADOPTED || is_adopted_sender(mark))
        skb->tc_index = 0;
    return is_alive_now(skb->ifindex, now) ? adopt_decap(skb, now) : XV_PASS;
}

SEC("tc")
int xvtep_adopt_underlay_egress(struct __sk_buff *skb)
{
    struct adopted_sent result = {.action = XV_PASS};

    if (skb->tc_index != XV_MARK_ADOPTED)
        return XV_PASS;
    skb->tc_index = 0;
    adopt_learn(skb, &result);
    return result.action;
}

SEC("tc")
int xvtep_adopt_device_egress(struct __sk_buff *skb)
{
    struct tx_ctx tx = {.now = bpf_ktime_get_coarse_ns(), .ifindex = skb->ifindex};

    return adopt_device_egress(skb, &tx);
}

SEC("tc")
int xvtep_adopt_device_ingress(struct __sk_buff *skb)
{
    return adopt_device_ingress(skb);
}

/* Returns how much of the message the socket gets: 0, none. */
SEC("socket")
int xvtep_adopt_mirror(struct __sk_buff *skb)
{
    struct nlmsghdr header;

    if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)))
        return 0;
    switch (header.nlmsg_type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
        mirror_entry(skb);
        return 0;
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return mirror_link(skb);
    default:
        return 0;
    }
}

/* Run by the service on a "packet" of rows. Returns how many were handled. */
SEC("tc")
int xvtep_adopt_rows(struct __sk_buff *skb)
{
    struct adopt_row_loop loop = {.skb = skb};

    bpf_loop(skb->len / sizeof(struct xv_adopt_row), adopt_one_row, &loop, 0);
    return loop.done;
}

char LICENSE[] SEC("license") = "GPL";
