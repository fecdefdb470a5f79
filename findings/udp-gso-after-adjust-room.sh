#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A UDP GSO packet that a TC program takes out of a VXLAN tunnel is lost without an IP or UDP counter.
#
# About: bpf_skb_adjust_room() at TC ingress with a negative length and BPF_F_ADJ_ROOM_FIXED_GSO,
#   which is the only way the helper accepts a UDP GSO packet.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, iproute2 6.1.0-3.
# Behaviour: a sender gives ten datagrams of 1000 bytes in one send (UDP_SEGMENT) to a vxlan device.
#   The packet crosses a veth in one piece. At the other end a program removes the outer headers and
#   redirects what remains into another veth, behind which a plain UDP socket waits. It receives
#   nothing. The same datagrams sent one by one all arrive, and so does everything if the kernel's
#   vxlan device takes the headers off. Not one counter of nstat changes in either of the
#   namespaces behind the sender; only the device that the packet was redirected to counts one
#   "TX dropped", for the ten datagrams. It is the same with and without outer UDP checksums.
#   What matters are the marks of the tunnel: a UDP GSO packet that never was in one survives when
#   the same helper adds 50 bytes and takes them off again.
# Source: bpf_skb_net_shrink() in net/core/filter.c neither takes SKB_GSO_UDP_TUNNEL(_CSUM) out of
#   gso_type nor clears skb->encapsulation, but adds SKB_GSO_DODGY. A veth does not offer
#   NETIF_F_GSO_ROBUST, so validate_xmit_skb() in net/core/dev.c segments the packet, and
#   udp4_ufo_fragment() in net/ipv4/udp_offload.c, misled by both marks, takes the UDP header for a
#   tunnel's (skb_udp_tunnel_segment()) and fails. TCP's GSO does not ask for these marks.
# Output seen:
#   noudpcsum: adjust_room, one by one: 10 of 10 datagrams, 0 TX dropped, 5 counters of nstat changed
#   noudpcsum: adjust_room, GSO: 0 of 10 datagrams, 1 TX dropped, 0 counters of nstat changed
#   noudpcsum: vxlan device, GSO: 10 of 10 datagrams, 0 TX dropped, 15 counters of nstat changed
#   (the same three lines for udpcsum)
#   never in a tunnel, adjust_room twice, GSO: 10 of 10 datagrams, 0 TX dropped, 5 counters of nstat changed

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

#define OUTER 50 /* IPv4, UDP, VXLAN, and one of the two Ethernet headers */

static int room(struct __sk_buff *skb, int bytes)
{
    return bpf_skb_adjust_room(skb, bytes, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

SEC("tc")
int ingress(struct __sk_buff *skb)
{
    static const __u8 p1[ETH_ALEN] = {2, 0, 0, 0, 0, 4};
    struct {
        struct ethhdr eth;
        struct iphdr ip;
        struct udphdr udp;
    } __attribute__((packed)) h;

    if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)) || h.eth.h_proto != bpf_htons(ETH_P_IP) ||
        h.ip.protocol != IPPROTO_UDP)
        return TC_ACT_OK;
    if (h.udp.dest == bpf_htons(5000) && room(skb, OUTER))
        return TC_ACT_SHOT;
    if (room(skb, -OUTER) || bpf_skb_store_bytes(skb, 0, p1, sizeof(p1), 0))
        return TC_ACT_SHOT;
    return bpf_redirect(103 /* p0 */, 0);
}

char LICENSE[] SEC("license") = "GPL";
C
compile room

# S (vx0 over u0) -- R (u1, p0) -- T (p1 and the socket)
namespace S; namespace R; namespace T
must ip -n "$S" link add u0 index 101 address 02:00:00:00:00:01 type veth \
    peer name u1 index 102 address 02:00:00:00:00:02 netns "$R"
must ip -n "$R" link add p0 index 103 address 02:00:00:00:00:03 type veth \
    peer name p1 index 104 address 02:00:00:00:00:04 netns "$T"
must ip -n "$S" addr add 192.0.2.1/24 dev u0
must ip -n "$R" addr add 192.0.2.2/24 dev u1
must ip -n "$T" addr add 198.51.100.2/24 dev p1
must ip -n "$T" addr add 203.0.113.2/32 dev p1
must ip -n "$S" link set u0 up
must ip -n "$R" link set u1 up
must ip -n "$R" link set p0 up
must ip -n "$T" link set p1 up
must ip -n "$T" route add 192.0.2.0/24 dev p1
must ip -n "$S" neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev u0
must ip -n "$S" route add 203.0.113.2/32 via 192.0.2.2

send() { # ADDRESS, 1 for GSO
    must ip netns exec "$S" perl -MSocket -e '
        my ($to, $gso) = @ARGV;
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        connect($s, pack_sockaddr_in(5000, inet_aton($to))) or die "connect: $!";
        setsockopt($s, 17, 103, pack("i", 1000)) or die "UDP_SEGMENT: $!" if $gso;
        for (1 .. ($gso ? 1 : 10)) {
            defined(send($s, "x" x ($gso ? 10000 : 1000), 0)) or die "send: $!";
        }' "$@"
}

receive() { # counts datagrams until a second has passed without any
    ip netns exec "$T" timeout 20 perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        bind($s, pack_sockaddr_in(5000, INADDR_ANY)) or die "bind: $!";
        $| = 1;
        print "ready\n";
        my $n = 0;
        while (1) {
            vec(my $set = "", fileno($s), 1) = 1;
            last unless select($set, undef, undef, 1);
            recv($s, my $data, 65536, 0);
            $n++ if length($data) == 1000;
        }
        print "$n\n";' >"$work/received"
}

dropped() { ip -n "$R" -s link show p0 | awk '/TX:/ { getline; print $4 }'; }
counters() { ip netns exec "$R" nstat -asz; ip netns exec "$T" nstat -asz; }

# try WHAT ADDRESS GSO DATAGRAMS DROPPED: what is to come out of it
try() {
    local before got lost # and changed, which the caller reads
    before=$(dropped)
    : >"$work/received"
    receive &
    pids=($!)
    for _ in {1..100}; do [ -s "$work/received" ] && break; sleep 0.05; done
    counters >"$work/before"
    send "$2" "$3"
    wait "${pids[0]}"
    pids=()
    counters >"$work/after"
    got=$(sed -n 2p "$work/received") lost=$(($(dropped) - before))
    changed=$(diff "$work/before" "$work/after" | grep -c '^>')
    echo "$1: $got of 10 datagrams, $lost TX dropped, $changed counters of nstat changed"
    [ "$got" = "$4" ] && [ "$lost" = "$5" ] || fail "expected $4 datagrams and $5 TX dropped"
}

for checksum in noudpcsum udpcsum; do
    must ip -n "$S" link add vx0 type vxlan id 7 remote 192.0.2.2 dstport 4789 dev u0 $checksum
    must ip -n "$S" addr add 198.51.100.1/24 dev vx0
    must ip -n "$S" link set vx0 up
    must ip -n "$S" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:04 dev vx0

    must tc -n "$R" qdisc add dev u1 clsact
    must tc -n "$R" filter add dev u1 ingress bpf da obj "$work/room.o" sec tc
    try "$checksum: adjust_room, one by one" 198.51.100.2 0 10 0
    try "$checksum: adjust_room, GSO" 198.51.100.2 1 0 1
    [ "$changed" = 0 ] || fail "$changed counters of nstat tell of the loss"
    must tc -n "$R" qdisc del dev u1 clsact

    must ip -n "$R" link add vx1 type vxlan id 7 local 192.0.2.2 dstport 4789 dev u1
    must ip -n "$R" link add br0 type bridge
    for device in vx1 p0; do must ip -n "$R" link set $device master br0; done
    for device in vx1 br0; do must ip -n "$R" link set $device up; done
    try "$checksum: vxlan device, GSO" 198.51.100.2 1 10 0
    must ip -n "$R" link del br0
    must ip -n "$R" link del vx1
    must ip -n "$S" link del vx0
done

must tc -n "$R" qdisc add dev u1 clsact
must tc -n "$R" filter add dev u1 ingress bpf da obj "$work/room.o" sec tc
try "never in a tunnel, adjust_room twice, GSO" 203.0.113.2 1 10 0
