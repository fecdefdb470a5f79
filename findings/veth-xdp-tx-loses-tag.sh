#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A tagged frame that a native XDP program sends back over a veth comes back without its tag.
#
# About: XDP_TX on a veth for frames with a VLAN tag beside the packet, as VLAN devices, bridges and
#   TC programs leave it there; the same in generic mode.
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   iproute2 6.1.0-3, ethtool 1:6.1-1, bpftool 7.1.0+6.1.192-2.
# Behaviour: a frame of VLAN 5 crosses a veth with its tag beside the packet, as the sender's
#   "txvlan on" has it, which is the default. The program sees an untagged frame in either mode.
#   With XDP_PASS the stack has the tag again, in either mode. With XDP_TX in generic mode the frame
#   comes back in VLAN 5, in native mode in none. "txvlan off" at the sending end puts the tag into
#   the packet, where the program sees it and nothing is lost.
# Source: veth_xdp_rcv_skb() in drivers/net/veth.c makes a frame of the packet's bytes for XDP_TX
#   and frees the packet, with vlan_tci in it. generic_xdp_tx() in net/core/dev.c sends the packet
#   itself.
# Output seen (EtherType that the program saw; VLAN in which the frame went on):
#   native XDP_PASS: 0800, VLAN 5
#   generic XDP_PASS: 0800, VLAN 5
#   native XDP_TX: 0800, no VLAN
#   generic XDP_TX: 0800, VLAN 5
#   native XDP_TX, txvlan off: 8100, VLAN 5

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 ethtool=1:6.1-1 \
    bpftool=7.1.0+6.1.192-2
bpffs

cat >"$work/tag.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} seen SEC(".maps");

static void note(__u32 key, __u32 value)
{
    bpf_map_update_elem(&seen, &key, &value, BPF_ANY);
}

static int xdp(struct xdp_md *xdp, int verdict)
{
    void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
    struct ethhdr *eth = data;

    if (data + sizeof(*eth) <= end)
        note(0, bpf_ntohs(eth->h_proto));
    return verdict;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
    return xdp(ctx, XDP_PASS);
}

SEC("xdp")
int tx(struct xdp_md *ctx)
{
    return xdp(ctx, XDP_TX);
}

SEC("xdp")
int open(struct xdp_md *ctx)
{
    return XDP_PASS;
}

SEC("tc")
int tag(struct __sk_buff *skb)
{
    return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 5) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc")
int arrive(struct __sk_buff *skb)
{
    note(1, skb->vlan_present ? skb->vlan_tci : 0xffff);
    return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
C
compile tag
must bpftool prog loadall "$work/tag.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"

namespace N; namespace S
must ip -n "$N" link add u0 address 02:00:00:00:00:01 type veth peer name u1 netns "$S"
must ip -n "$N" link set u0 up
must ip -n "$S" link set u1 up
must ip -n "$S" link set dev u1 xdpdrv pinned "$work/bpf/programs/open" # to take XDP frames
for place in "$N u0" "$S u1"; do
    must tc -n ${place% *} qdisc add dev ${place#* } clsact
    must tc -n ${place% *} filter add dev ${place#* } ingress \
        bpf da object-pinned "$work/bpf/programs/arrive"
done
must tc -n "$S" filter add dev u1 egress bpf da object-pinned "$work/bpf/programs/tag"

entry() {
    bpftool map lookup pinned "$work/bpf/maps/seen" key "$1" 0 0 0 |
        sed -n 's/.*"value": *\([0-9]*\).*/\1/p'
}
# try WHAT MODE PROGRAM SEEN VLAN
try() {
    local saw vlan
    must ip -n "$N" link set dev u0 "$2" pinned "$work/bpf/programs/$3"
    for key in 0 1; do
        must bpftool map update pinned "$work/bpf/maps/seen" key $key 0 0 0 value 0 0 0 0
    done
    echo 020000000001 020000000002 0800 "4500001400000000400066e5c0000202c0000201" |
        send_frames "$S" u1
    for _ in {1..20}; do
        [ "$(entry 1)" = 0 ] || break
        sleep 0.1
    done
    saw=$(printf '%04x' "$(entry 0)") vlan=$(entry 1)
    case $vlan in 0) vlan=lost ;; 65535) vlan="no VLAN" ;; *) vlan="VLAN $vlan" ;; esac
    echo "$1: $saw, $vlan"
    [ "$saw, $vlan" = "$4, $5" ] || fail "not $4, $5"
    must ip -n "$N" link set dev u0 "$2" off
}
try "native XDP_PASS" xdpdrv pass 0800 "VLAN 5"
try "generic XDP_PASS" xdpgeneric pass 0800 "VLAN 5"
try "native XDP_TX" xdpdrv tx 0800 "no VLAN"
try "generic XDP_TX" xdpgeneric tx 0800 "VLAN 5"
must ip netns exec "$S" ethtool -K u1 txvlan off
try "native XDP_TX, txvlan off" xdpdrv tx 8100 "VLAN 5"
