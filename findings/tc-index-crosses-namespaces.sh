#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A packet's tc_index goes with it into other network namespaces, through a vxlan tunnel,
# fragmentation and reassembly; its mark does not.
#
# About: __sk_buff->tc_index and __sk_buff->mark, written by a TC program.
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   iproute2 6.1.0-3, bpftool 7.1.0+6.1.192-2.
# Behaviour: at the egress of a vxlan device in A a program sets both. At A's port under the tunnel
#   the outer packets have both, each fragment of a large one too. They cross a veth into B. There
#   each outer packet still has the tc_index and no mark, and so has each packet that B's vxlan
#   device takes out, after reassembly. Whoever reads tc_index sees what was classified elsewhere.
#   All programs here return TC_ACT_UNSPEC; TC_ACT_OK says the same of the packet, but clears its
#   tc_index.
# Source: skb_scrub_packet() in net/core/skbuff.c, which takes off what belongs to a namespace, sets
#   mark to 0 and leaves tc_index alone; __copy_skb_header() and ip_copy_metadata() in
#   net/ipv4/ip_output.c copy it to segments and fragments. sch_handle_egress() in net/core/dev.c
#   sets it to the class of a classifier that said TC_ACT_OK, which is 0 for a program.
# Output seen (packets, of these with the tc_index, with the mark):
#   3 of 100 bytes: leaving A 3 3 3, in B's port 3 3 0, out of B's tunnel 3 3 0
#   1 of 3000 bytes: leaving A 3 3 3, in B's port 3 3 0, out of B's tunnel 1 1 0
#   3 of 100 bytes, TC_ACT_OK: leaving A 3 0 3, in B's port 3 0 0, out of B's tunnel 3 0 0

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
bpffs

cat >"$work/index.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 9);
    __type(key, __u32);
    __type(value, __u32);
} counts SEC(".maps");

static void count(__u32 key)
{
    __u32 *value = bpf_map_lookup_elem(&counts, &key);

    if (value)
        __sync_fetch_and_add(value, 1);
}

static int is_udp(struct __sk_buff *skb)
{
    __u8 protocol = 0;

    return skb->protocol == bpf_htons(ETH_P_IP) &&
           !bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) && protocol == IPPROTO_UDP;
}

static int look(struct __sk_buff *skb, __u32 place)
{
    if (!is_udp(skb))
        return TC_ACT_UNSPEC;
    count(3 * place);
    if (skb->tc_index == 0x1234)
        count(3 * place + 1);
    if (skb->mark == 0x5678)
        count(3 * place + 2);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int set(struct __sk_buff *skb)
{
    if (is_udp(skb)) {
        skb->tc_index = 0x1234;
        skb->mark = 0x5678;
    }
    return TC_ACT_UNSPEC;
}

SEC("tc")
int set_ok(struct __sk_buff *skb)
{
    set(skb);
    return TC_ACT_OK;
}

SEC("tc")
int leaving(struct __sk_buff *skb)
{
    return look(skb, 0);
}

SEC("tc")
int port(struct __sk_buff *skb)
{
    return look(skb, 1);
}

SEC("tc")
int tunnel(struct __sk_buff *skb)
{
    return look(skb, 2);
}

char LICENSE[] SEC("license") = "GPL";
C
compile index
must bpftool prog loadall "$work/index.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"

namespace A; namespace B
must ip -n "$A" link add u0 type veth peer name u0 netns "$B"
local=1 remote=2
for letter in A B; do
    must ip -n "${!letter}" addr add 192.0.2.$local/24 dev u0
    must ip -n "${!letter}" link set u0 up
    must ip -n "${!letter}" link add vx0 mtu 4000 address 02:00:00:00:00:0$local \
        type vxlan id 7 dstport 4789 remote 192.0.2.$remote
    must ip -n "${!letter}" addr add 198.51.100.$local/24 dev vx0
    must ip -n "${!letter}" link set vx0 up
    must ip -n "${!letter}" neigh replace 198.51.100.$remote dev vx0 \
        lladdr 02:00:00:00:00:0$remote
    for device in u0 vx0; do must tc -n "${!letter}" qdisc add dev $device clsact; done
    local=2 remote=1
done
filter() { # LETTER DEVICE DIRECTION PROGRAM
    must tc -n "${!1}" filter add dev "$2" "$3" bpf da object-pinned "$work/bpf/programs/$4"
}
filter A vx0 egress set
filter A u0 egress leaving
filter B u0 ingress port
filter B vx0 ingress tunnel

counts() {
    local key
    for key in {0..8}; do
        bpftool map lookup pinned "$work/bpf/maps/counts" key $key 0 0 0 |
            sed -n 's/.*"value": *\([0-9]*\).*/\1/p'
        bpftool map update pinned "$work/bpf/maps/counts" key $key 0 0 0 value 0 0 0 0
    done | xargs
}
# try BYTES PACKETS COUNTS [WORDS]
try() {
    local found
    must ip netns exec "$A" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        setsockopt($s, 0, 10, pack("i", 0)); # IP_MTU_DISCOVER: may be split
        my $to = pack_sockaddr_in(9, inet_aton("198.51.100.2"));
        send($s, "x" x $ARGV[0], 0, $to) for 1 .. $ARGV[1]' "$1" "$2"
    sleep 0.5
    found=$(counts)
    set -- "$2 of $1 bytes${4:-}" "$3" $found
    echo "$1: leaving A $3 $4 $5, in B's port $6 $7 $8, out of B's tunnel $9 ${10} ${11}"
    [ "$found" = "$2" ] || fail "$found, not $2"
}
counts >"$work/before"
try 100 3 "3 3 3 3 3 0 3 3 0"
try 3000 1 "3 3 3 3 3 0 1 1 0"
must tc -n "$A" filter del dev vx0 egress
filter A vx0 egress set_ok
try 100 3 "3 0 3 3 0 0 3 0 0" ", TC_ACT_OK"
