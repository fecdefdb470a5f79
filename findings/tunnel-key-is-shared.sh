#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Packets that wait in a tunnel device's qdisc all go to the tunnel that a BPF program set last.
#
# About: bpf_skb_set_tunnel_key() for an "external" vxlan device that has a qdisc.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, iproute2
#   6.1.0-3, bpftool 7.1.0+6.1.192-2.
# Behaviour: a program at the egress of the device sets another VNI and another remote for each of
#   five packets, which one CPU sends in one go. Without a qdisc each packet goes where it was told.
#   With a "tbf", which lets the first pass and the others wait, the first goes where it was told
#   and the four others have the VNI and the remote of the fifth. No call of the helper fails and
#   nothing is counted as an error.
# Source: bpf_skb_set_tunnel_key() in net/core/filter.c has one metadata_dst for each CPU, md_dst,
#   which it fills in anew and has the packet refer to; what refers to it already sees the new key.
#   vxlan_xmit() in drivers/net/vxlan/vxlan_core.c reads it after the qdisc. (The action tunnel_key
#   of tc has one metadata_dst for each key.)
# Output seen (VNI and remote's last octet of each packet):
#   without a qdisc: 11/11 12/12 13/13 14/14 15/15
#   with tbf: 11/11 15/15 15/15 15/15 15/15

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
command -v taskset >/dev/null || skip "this needs taskset"
bpffs

cat >"$work/key.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The last octet of the destination address tells VNI and remote. */
SEC("tc")
int set(struct __sk_buff *skb)
{
    struct bpf_tunnel_key key = {.tunnel_ttl = 64};
    __u8 octet = 0;

    if (skb->protocol != bpf_htons(ETH_P_IP) ||
        bpf_skb_load_bytes(skb, ETH_HLEN + 19, &octet, 1))
        return TC_ACT_SHOT;
    key.tunnel_id = octet;
    key.remote_ipv4 = 0xc0000200 | octet;
    return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
C
compile key
must bpftool prog load "$work/key.o" "$work/bpf/set"

namespace A; namespace B
must ip -n "$A" link add u0 type veth peer name u0 netns "$B"
must ip -n "$A" addr add 192.0.2.1/24 dev u0
must ip -n "$A" link set u0 up
must ip -n "$B" link set u0 up
must ip -n "$A" link add vx0 type vxlan dstport 4789 external
must ip -n "$A" addr add 198.51.100.1/24 dev vx0
must ip -n "$A" link set vx0 up
must tc -n "$A" qdisc add dev vx0 clsact
must tc -n "$A" filter add dev vx0 egress bpf da object-pinned "$work/bpf/set"
for i in {11..15}; do
    must ip -n "$A" neigh replace 192.0.2.$i lladdr 02:00:00:00:00:02 dev u0
    must ip -n "$A" neigh replace 198.51.100.$i lladdr 02:00:00:00:00:03 dev vx0
done
capture "$B" u0
sleep 0.3

# try WHAT WAYS
try() {
    local found
    must taskset -c 0 ip netns exec "$A" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        for (11 .. 15) {
            my $to = pack_sockaddr_in(9, inet_aton("198.51.100.$_"));
            send($s, "x" x 1000, 0, $to) or die "send: $!";
        }'
    sleep 2.5
    # outer Ethernet, IPv4 (its last octet: the remote's), UDP to port 4789 (12b5), VXLAN (its VNI)
    found=$(captured | perl -ne '
        printf("%d/%d ", hex($3), hex($1)) if /^.{24}0800.{38}(..)(....)12b5.{8}.{8}(.{6})/')
    echo "$1: ${found% }"
    [ "${found% }" = "$2" ] || fail "not $2"
}
try "without a qdisc" "11/11 12/12 13/13 14/14 15/15"
must tc -n "$A" qdisc add dev vx0 root tbf rate 20kbit burst 1600 limit 100000
try "with tbf" "11/11 15/15 15/15 15/15 15/15"
