// SPDX-License-Identifier: GPL-2.0-only
// A VLAN access port: frames of a device leave by a trunk with a tag, and back without it.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 device;
const volatile __u32 trunk;
const volatile __u16 vlan;

// At the device's ingress.
SEC("tc")
int lab_vlan_tag(struct __sk_buff *skb)
{
    if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan))
        return TC_ACT_SHOT;
    return bpf_redirect(trunk, 0);
}

// At the trunk's ingress.
SEC("tc")
int lab_vlan_untag(struct __sk_buff *skb)
{
    if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != vlan)
        return TC_ACT_UNSPEC; // the program of another VLAN comes next
    if (bpf_skb_vlan_pop(skb))
        return TC_ACT_SHOT;
    return bpf_redirect(device, 0);
}

char LICENSE[] SEC("license") = "GPL";
