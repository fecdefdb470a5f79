#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bpf_fib_lookup() refuses a host that does not forward, even about packets that the host itself
# sends.
#
# About: bpf_fib_lookup() of a TC program, with BPF_FIB_LOOKUP_OUTPUT and without, and
#   net.ipv4.conf.*.forwarding, net.ipv6.conf.*.forwarding.
# Versions: Linux 6.18.44; 6.1 was not tried. Debian's clang-14 1:14.0.6-12, libbpf
#   1:1.1.2-0+deb12u1, iproute2 6.1.0-3, bpftool 7.1.0+6.1.192-2.
# Behaviour: a host sends UDP packets to an address with two equal next hops, with
#   fib_multipath_hash_policy=1. A program at the egress of both ports, u1 and u2, asks for each
#   packet which way it goes, and compares the answer with the port and the MACs of the packet.
#   Where nothing forwards, the question with BPF_FIB_LOOKUP_OUTPUT and u1 is answered with
#   BPF_FIB_LKUP_RET_FWD_DISABLED (5), though nothing is to be forwarded. If u1 forwards, the answer
#   is BPF_FIB_LKUP_RET_SUCCESS (0), but it is u1's next hop whatever the UDP ports in the question.
#   If lo alone forwards, and no port does, a question without flags that names lo as the device
#   where the packet came in is answered as the host itself routes: port and MACs are those of each
#   packet. It is the same with IPv4 and IPv6.
# Source: bpf_ipv4_fib_lookup() and bpf_ipv6_fib_lookup() in net/core/filter.c look at the
#   forwarding of the device in the question before they look at the flags. With
#   BPF_FIB_LOOKUP_OUTPUT the device becomes the flow's flowi4_oif, with which fib_select_path() in
#   net/ipv4/fib_semantics.c makes no choice (nor does fib6_select_path() in net/ipv6/route.c):
#   the lookup before it has taken the next hop of that device. Without the flag it becomes
#   flowi4_iif, and that of the host's own packets is LOOPBACK_IFINDEX, 1.
# Output seen (85 and 95 are others after each boot):
#   IPv4, nothing forwards: 85 of 200 leave by u1; OUTPUT u1: FWD_DISABLED; lo: FWD_DISABLED
#   IPv4, u1 forwards: 85 of 200 leave by u1; OUTPUT u1: 200 say u1, 85 right; lo: FWD_DISABLED
#   IPv4, lo forwards: 85 of 200 leave by u1; OUTPUT u1: FWD_DISABLED; lo: 85 say u1, 200 right
#   IPv6, nothing forwards: 95 of 200 leave by u1; OUTPUT u1: FWD_DISABLED; lo: FWD_DISABLED
#   IPv6, u1 forwards: 95 of 200 leave by u1; OUTPUT u1: 200 say u1, 95 right; lo: FWD_DISABLED
#   IPv6, lo forwards: 95 of 200 leave by u1; OUTPUT u1: FWD_DISABLED; lo: 95 say u1, 200 right

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
bpffs

cat >"$work/ask.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2
#define AF_INET6 10

struct question {
    __u32 asked, by_first, success, disabled, right, says_first; /* first: u1 */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct question);
} counts SEC(".maps");

/* Family, addresses and ports of the packet; 0 if it is none of those that are sent here. */
static int parse(struct __sk_buff *skb, struct bpf_fib_lookup *query)
{
    struct ipv6hdr ip6;
    struct udphdr udp;
    struct iphdr ip;
    int end;

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.protocol != IPPROTO_UDP)
            return 0;
        query->family = AF_INET;
        query->ipv4_src = ip.saddr;
        query->ipv4_dst = ip.daddr;
        end = ETH_HLEN + sizeof(ip);
    } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)) || ip6.nexthdr != IPPROTO_UDP)
            return 0;
        query->family = AF_INET6;
        __builtin_memcpy(query->ipv6_src, &ip6.saddr, 16);
        __builtin_memcpy(query->ipv6_dst, &ip6.daddr, 16);
        end = ETH_HLEN + sizeof(ip6);
    } else {
        return 0;
    }
    if (bpf_skb_load_bytes(skb, end, &udp, sizeof(udp)) || udp.dest != bpf_htons(9))
        return 0;
    query->l4_protocol = IPPROTO_UDP;
    query->sport = udp.source;
    query->dport = udp.dest;
    return 1;
}

static int same(const __u8 *a, const __u8 *b)
{
    int i;

    for (i = 0; i < ETH_ALEN; i++)
        if (a[i] != b[i])
            return 0;
    return 1;
}

static void ask(struct __sk_buff *skb, __u32 key, __u32 ifindex, __u32 flags)
{
    struct question *count = bpf_map_lookup_elem(&counts, &key);
    struct bpf_fib_lookup query = {};
    struct ethhdr eth;
    long answer;

    if (!count || !parse(skb, &query) || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
        return;
    query.ifindex = ifindex;
    answer = bpf_fib_lookup(skb, &query, sizeof(query), flags);
    __sync_fetch_and_add(&count->asked, 1);
    if (skb->ifindex == 101 /* u1 */)
        __sync_fetch_and_add(&count->by_first, 1);
    if (answer == BPF_FIB_LKUP_RET_FWD_DISABLED)
        __sync_fetch_and_add(&count->disabled, 1);
    if (answer != BPF_FIB_LKUP_RET_SUCCESS)
        return;
    __sync_fetch_and_add(&count->success, 1);
    if (query.ifindex == 101)
        __sync_fetch_and_add(&count->says_first, 1);
    if (query.ifindex == skb->ifindex && same(query.dmac, eth.h_dest) &&
        same(query.smac, eth.h_source))
        __sync_fetch_and_add(&count->right, 1);
}

SEC("tc")
int leaving(struct __sk_buff *skb)
{
    ask(skb, 0, 101 /* u1 */, BPF_FIB_LOOKUP_OUTPUT);
    ask(skb, 1, 1 /* lo */, 0);
    return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
C
compile ask
must bpftool prog loadall "$work/ask.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"

namespace N; namespace P
set_to() { must ip netns exec "$N" sysctl -qw "$@"; }
set_to net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0
for i in 1 2; do
    must ip -n "$N" link add u$i index 10$i type veth peer name p$i netns "$P"
    must ip -n "$N" addr add 203.0.113.$((16 * i + 1))/28 dev u$i
    must ip -n "$N" addr add 2001:db8:$i::1/64 dev u$i nodad
    must ip -n "$N" link set u$i up
    must ip -n "$P" link set p$i up
    must ip -n "$N" neigh replace 203.0.113.$((16 * i + 2)) lladdr 02:00:00:00:00:0$i dev u$i
    must ip -n "$N" neigh replace 2001:db8:$i::2 lladdr 02:00:00:00:00:0$i dev u$i
    must tc -n "$N" qdisc add dev u$i clsact
    must tc -n "$N" filter add dev u$i egress bpf da object-pinned "$work/bpf/programs/leaving"
done
set_to net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
set_to net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1
must ip -n "$N" addr add 192.0.2.1/32 dev lo
must ip -n "$N" addr add 2001:db8::1/128 dev lo nodad
must ip -n "$N" route add 192.0.2.2/32 nexthop via 203.0.113.18 nexthop via 203.0.113.34
must ip -n "$N" route add 2001:db8::2/128 nexthop via 2001:db8:1::2 nexthop via 2001:db8:2::2

send() { # FROM TO: one packet from each of 200 ports
    must ip netns exec "$N" perl -MSocket=:all -e '
        my ($from, $to) = @ARGV;
        my $six = $to =~ /:/;
        sub name { # PORT ADDRESS
            return pack_sockaddr_in6($_[0], inet_pton(AF_INET6, $_[1])) if $six;
            return pack_sockaddr_in($_[0], inet_aton($_[1]));
        }
        for (1 .. 200) {
            socket(my $s, $six ? PF_INET6 : PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
            bind($s, name(20000 + $_, $from)) or die "bind: $!";
            defined(send($s, "x", 0, name(9, $to))) or die "send: $!";
        }' "$1" "$2"
}
question() { # KEY: asked, by_first, success, disabled, right, says_first
    bpftool -j map lookup pinned "$work/bpf/maps/counts" key "$1" 0 0 0 |
        sed -nE 's/.*"value":\{([^{}]*)\}\}\}.*/\1/p' | tr -c '0-9\n' ' '
    must bpftool map update pinned "$work/bpf/maps/counts" key "$1" 0 0 0 \
        value 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
}
say() { # ASKED BY_FIRST SUCCESS DISABLED RIGHT SAYS_FIRST
    case "$3 $4" in
        "0 $1") echo "FWD_DISABLED" ;;
        "$1 0") echo "$6 say u1, $5 right" ;;
        *) echo "$3 times success, $4 times FWD_DISABLED" ;;
    esac
}
# try WHAT FROM TO OUTPUT LO: the numbers of success and FWD_DISABLED
try() {
    local output lo
    send "$2" "$3"
    read -r -a output <<<"$(question 0)"
    read -r -a lo <<<"$(question 1)"
    echo "$1: ${lo[1]} of ${lo[0]} leave by u1;" \
        "OUTPUT u1: $(say "${output[@]}"); lo: $(say "${lo[@]}")"
    [ "${output[0]} ${lo[0]}" = "200 200" ] || fail "the program did not see 200 packets"
    [ "${lo[1]}" -gt 50 ] && [ "${lo[1]}" -lt 150 ] || fail "one of the next hops is hardly used"
    [ "${output[2]} ${output[3]}" = "$4" ] || fail "another answer for u1 as output"
    [ "${lo[2]} ${lo[3]}" = "$5" ] || fail "another answer for lo"
    [ "${lo[2]}" = "${lo[4]}" ] || fail "not all answers for lo are right"
    [ "${output[2]}" = "${output[5]}" ] || fail "u1 as output is answered with another port"
    [ "${output[2]}" = 0 ] || [ "${output[1]}" = "${output[4]}" ] ||
        fail "for u1 as output other answers are right than for what leaves by it"
}
for version in 4 6; do
    ends="192.0.2.1 192.0.2.2"
    [ $version = 4 ] || ends="2001:db8::1 2001:db8::2"
    try "IPv$version, nothing forwards" $ends "0 200" "0 200"
    set_to net.ipv$version.conf.u1.forwarding=1
    try "IPv$version, u1 forwards" $ends "200 0" "0 200"
    set_to net.ipv$version.conf.u1.forwarding=0 net.ipv$version.conf.lo.forwarding=1
    try "IPv$version, lo forwards" $ends "0 200" "200 0"
    set_to net.ipv$version.conf.lo.forwarding=0
done
