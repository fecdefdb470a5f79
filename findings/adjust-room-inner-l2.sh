#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The inner L2 length that bpf_skb_adjust_room() wants for VXLAN is that of the Ethernet header
# alone: with the VXLAN header counted in, large packets vanish.
#
# About: BPF_F_ADJ_ROOM_ENCAP_L2(length) of a TC program that puts a VXLAN header on.
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   iproute2 6.1.0-3.
# Behaviour: a program puts 50 bytes of outer headers before packets that it sends to a vxlan
#   device. Both lengths, 14 (Ethernet) and 22 (VXLAN and Ethernet), are accepted, and single
#   datagrams arrive with both, byte by byte the same. Of a GSO packet with ten datagrams all arrive
#   with 14 and none with 22, of which one "TX dropped" at the port is the only trace. So ping
#   works, and bulk does not.
# Source: bpf_skb_net_grow() in net/core/filter.c puts inner_mac_header so many bytes before the
#   inner IP header. __skb_udp_tunnel_segment() in net/ipv4/udp_offload.c takes what lies between
#   the UDP header and inner_mac_header for the tunnel's header, and hands the rest to
#   skb_mac_gso_segment(), which looks for an EtherType inside the VXLAN header.
#   tools/testing/selftests/bpf/progs/test_tc_tunnel.c adds the VXLAN header's size to l2_len.
# Output seen (datagrams that arrive):
#   length 14: 10 of 10 sent one by one, 10 of 10 sent by GSO, 0 TX dropped
#   length 22: 10 of 10 sent one by one, 0 of 10 sent by GSO, 1 TX dropped

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1

cat >"$work/room.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct outer {
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
    __be32 vxlan[2];
    struct ethhdr inner;
} __attribute__((packed));

#define SIZE (sizeof(struct outer) - ETH_HLEN)

static int wrap(struct __sk_buff *skb, __u64 l2)
{
    struct outer h = {
        .eth = {{2, 0, 0, 0, 0, 6}, {2, 0, 0, 0, 0, 5}, bpf_htons(ETH_P_IP)},
        .ip = {.version = 4,
               .ihl = 5,
               .ttl = 64,
               .protocol = IPPROTO_UDP,
               .saddr = bpf_htonl(0xc0000201),
               .daddr = bpf_htonl(0xc0000202)},
        .udp = {.source = bpf_htons(50000), .dest = bpf_htons(4789)},
        .vxlan = {bpf_htonl(0x08000000), bpf_htonl(7 << 8)},
        .inner = {{2, 0, 0, 0, 0, 8}, {2, 0, 0, 0, 0, 1}, bpf_htons(ETH_P_IP)},
    };
    __u32 sum;

    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    h.ip.tot_len = bpf_htons(skb->len - ETH_HLEN + SIZE);
    h.udp.len = bpf_htons(skb->len - ETH_HLEN + SIZE - sizeof(h.ip));
    sum = bpf_csum_diff(0, 0, (void *)&h.ip, sizeof(h.ip), 0);
    sum = (sum & 0xffff) + (sum >> 16);
    h.ip.check = ~((sum & 0xffff) + (sum >> 16));
    if (bpf_skb_adjust_room(skb, SIZE, BPF_ADJ_ROOM_MAC,
                            BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 |
                                BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(l2) |
                                BPF_F_ADJ_ROOM_ENCAP_L2_ETH))
        return TC_ACT_SHOT;
    if (bpf_skb_store_bytes(skb, 0, &h, sizeof(h), 0))
        return TC_ACT_SHOT;
    return bpf_redirect(105 /* u0 */, 0);
}

SEC("tc/14")
int ethernet(struct __sk_buff *skb)
{
    return wrap(skb, ETH_HLEN);
}

SEC("tc/22")
int vxlan_and_ethernet(struct __sk_buff *skb)
{
    return wrap(skb, 8 + ETH_HLEN);
}

char LICENSE[] SEC("license") = "GPL";
C
compile room

# S (s0) -- R (r0: the program; u0) -- T (u1, vx0)
namespace S; namespace R; namespace T
must ip -n "$S" link add s0 index 101 address 02:00:00:00:00:01 type veth \
    peer name r0 index 102 address 02:00:00:00:00:02 netns "$R"
must ip -n "$R" link add u0 index 105 address 02:00:00:00:00:05 type veth \
    peer name u1 index 106 address 02:00:00:00:00:06 netns "$T"
must ip -n "$T" link add vx0 address 02:00:00:00:00:08 type vxlan id 7 dstport 4789 remote 192.0.2.1
must ip -n "$T" addr add 192.0.2.2/24 dev u1
must ip -n "$T" addr add 198.51.100.2/24 dev vx0
must ip -n "$S" addr add 198.51.100.1/24 dev s0
for place in "$S s0" "$R r0" "$R u0" "$T u1" "$T vx0"; do
    must ip -n ${place% *} link set ${place#* } up
done
must ip -n "$S" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:08 dev s0
must tc -n "$R" qdisc add dev r0 clsact

send() { # 1 for GSO
    must ip netns exec "$S" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        connect($s, pack_sockaddr_in(5000, inet_aton("198.51.100.2"))) or die "connect: $!";
        setsockopt($s, 17, 103, pack("i", 1000)) or die "UDP_SEGMENT: $!" if $ARGV[0];
        for (1 .. ($ARGV[0] ? 1 : 10)) {
            defined(send($s, "x" x ($ARGV[0] ? 10000 : 1000), 0)) or die "send: $!";
        }' "$1"
}
receive() { # counts datagrams until three seconds have passed without any
    ip netns exec "$T" timeout 20 perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        bind($s, pack_sockaddr_in(5000, INADDR_ANY)) or die "bind: $!";
        $| = 1;
        print "ready\n";
        my $n = 0;
        while (1) {
            vec(my $set = "", fileno($s), 1) = 1;
            last unless select($set, undef, undef, 3);
            recv($s, my $data, 65536, 0);
            $n++ if length($data) == 1000;
        }
        print "$n\n";' >"$work/received"
}
arrive() { # GSO: how many of ten datagrams
    : >"$work/received"
    receive &
    local pid=$!
    for _ in {1..100}; do [ -s "$work/received" ] && break; sleep 0.05; done
    send "$1"
    wait $pid
    sed -n 2p "$work/received"
}
dropped() { ip -n "$R" -s link show u0 | awk '/TX:/ { getline; print $4 }'; }
# try LENGTH ARRIVE DROPPED
try() {
    local single gso before lost
    must tc -n "$R" filter add dev r0 ingress bpf da obj "$work/room.o" sec "tc/$1"
    single=$(arrive 0)
    before=$(dropped)
    gso=$(arrive 1)
    lost=$(($(dropped) - before))
    must tc -n "$R" filter del dev r0 ingress
    echo "length $1: $single of 10 sent one by one, $gso of 10 sent by GSO, $lost TX dropped"
    [ "$single" = 10 ] || fail "not all arrives that is sent one by one"
    [ "$gso $lost" = "$2 $3" ] || fail "not $2 of 10, $3 TX dropped"
}
try 14 10 0
try 22 0 1
