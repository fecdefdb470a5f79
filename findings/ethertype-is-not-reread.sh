#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A TC program that writes another EtherType into a frame changes nothing; two VLAN tags pushed and
# popped again make it count.
#
# About: bpf_skb_store_bytes() on the EtherType at TC ingress; bpf_skb_vlan_push(),
#   bpf_skb_vlan_pop().
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   iproute2 6.1.0-3.
# Behaviour: a frame has EtherType 0x88b5 and, behind it, what an ARP request has. The program
#   writes 0x0806 over the EtherType and lets the frame go on. The frame is an ARP request to the
#   letter now, but the host does not answer. The stack goes by skb->protocol, which was set when
#   the frame came in, and which a TC program can read, not write. Pushing a VLAN tag and popping it
#   does not change that. Pushing two and popping both, which leaves the same bytes again, does: the
#   host answers. It is the same for frames that a program unwraps from a tunnel of another family.
# Source: eth_type_trans() sets skb->protocol, and __netif_receive_skb_core() in net/core/dev.c
#   delivers by it. skb_vlan_push() in net/core/skbuff.c keeps the first tag beside the packet, and
#   popping it is no more than forgetting it. A second push moves the first tag into the packet;
#   when that one is popped, __skb_vlan_pop() and vlan_set_encap_proto() read the EtherType from the
#   packet.
# Output seen:
#   written: 0 of 3 requests answered
#   written, one tag pushed and popped: 0 of 3 requests answered
#   written, two tags pushed and popped: 3 of 3 requests answered

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1

cat >"$work/type.c" <<'C'
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TAG bpf_htons(0x8100), 7

static int rewrite(struct __sk_buff *skb)
{
    __u16 ethertype = bpf_htons(0x0806);

    return skb->protocol != bpf_htons(0x88b5) ||
           bpf_skb_store_bytes(skb, 12, &ethertype, sizeof(ethertype), 0);
}

SEC("tc/none")
int none(struct __sk_buff *skb)
{
    rewrite(skb);
    return TC_ACT_OK;
}

SEC("tc/one")
int one(struct __sk_buff *skb)
{
    if (!rewrite(skb) && (bpf_skb_vlan_push(skb, TAG) || bpf_skb_vlan_pop(skb)))
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}

SEC("tc/two")
int two(struct __sk_buff *skb)
{
    if (!rewrite(skb) && (bpf_skb_vlan_push(skb, TAG) || bpf_skb_vlan_push(skb, TAG) ||
                          bpf_skb_vlan_pop(skb) || bpf_skb_vlan_pop(skb)))
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
C
compile type

namespace N; namespace S
must ip -n "$N" link add u0 type veth peer name u1 netns "$S"
must ip -n "$N" addr add 192.0.2.1/24 dev u0
must ip -n "$N" link set u0 up
must ip -n "$S" link set u1 up
must tc -n "$N" qdisc add dev u0 clsact
capture "$S" u1

# try WHAT SECTION ANSWERS
try() {
    local answers
    must tc -n "$N" filter add dev u0 ingress bpf da obj "$work/type.o" sec "tc/$2"
    for _ in 1 2 3; do
        echo ffffffffffff 020000000002 88b5 0001 0800 0604 0001 \
            020000000002 c0000202 000000000000 c0000201 # who has 192.0.2.1, tell 192.0.2.2
    done | send_frames "$S" u1
    answers=$(captured | grep -c '^.\{24\}08060001080006040002')
    echo "$1: $answers of 3 requests answered"
    [ "$answers" = "$3" ] || fail "not $3"
    must tc -n "$N" filter del dev u0 ingress
}
try written none 0
try "written, one tag pushed and popped" one 0
try "written, two tags pushed and popped" two 3
