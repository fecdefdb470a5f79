#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# iproute2 reads "tos 16" as 0x16, beside a "ttl 16" that is sixteen, and the packets have 0x14.
#
# About: "ip link add ... type vxlan tos NUMBER ttl NUMBER", and "ip rule add tos NUMBER".
# Versions: Debian's iproute2 6.1.0-3; Linux 6.18.44 and 6.1.192.
# Behaviour: numbers for tos are hexadecimal with and without "0x", those for ttl are decimal. With
#   "tos 16 ttl 16" ip shows "tos 0x16" and "ttl 16"; packets leave with TOS 0x14 and TTL 16, for
#   the two lowest bits are ECN's and not the configuration's. The device takes 0x16 without a word
#   about these bits; for "ip rule add tos 16" the same digits are an error ("ECN bits must be 0").
#   "tos 100" is refused, since 0x100 is too large, "tos 99" is taken for 0x99.
# Source: rtnl_dsfield_a2n() in iproute2's lib/rt_names.c has strtoul() with base 16; iplink_vxlan.c
#   reads ttl with base 0. vxlan_xmit_one() in the kernel's
#   drivers/net/vxlan/vxlan_core.c passes the value to ip_tunnel_ecn_encap().
# Output seen:
#   tos 16 ttl 16: ip shows tos 0x16 ttl 16, the packet has tos 0x14 ttl 16
#   tos 0x10 ttl 0x10: ip shows tos 0x10 ttl 16, the packet has tos 0x10 ttl 16
#   tos 99 ttl 99: ip shows tos 0x99 ttl 99, the packet has tos 0x98 ttl 99
#   tos 100: refused
#   ip rule add tos 16: refused
#   ip rule add tos 10: taken for 0x10

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N; namespace P
must ip -n "$N" link add u0 type veth peer name u1 netns "$P"
must ip -n "$N" addr add 192.0.2.1/24 dev u0
must ip -n "$N" link set u0 up
must ip -n "$P" link set u1 up
must ip -n "$N" neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev u0
capture "$P" u1
vxlan() { timeout 10 ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.2 "$@"; }

# try TOS TTL SHOWN ON_THE_WIRE
try() {
    local shown wire header
    vxlan tos "$1" ttl "$2" || fail "ip does not take tos $1 ttl $2"
    must ip -n "$N" addr add 198.51.100.1/24 dev vx0
    must ip -n "$N" link set vx0 up
    must ip -n "$N" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:04 dev vx0
    shown="tos $(ip -n "$N" -d link show vx0 | grep -o ' tos [^ ]*' | cut -d' ' -f3)"
    shown+=" ttl $(ip -n "$N" -d link show vx0 | grep -o ' ttl [^ ]*' | cut -d' ' -f3)"
    must ip netns exec "$N" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton("198.51.100.2")))'
    header=$(captured | grep -m 1 -E '^.{24}080045.*12b5')
    wire="tos 0x${header:30:2} ttl $((16#${header:44:2}))"
    echo "tos $1 ttl $2: ip shows $shown, the packet has $wire"
    [ "$shown" = "$3" ] || fail "ip does not show $3"
    [ "$wire" = "$4" ] || fail "the packet does not have $4"
    must ip -n "$N" link del vx0
}
try 16 16 "tos 0x16 ttl 16" "tos 0x14 ttl 16"
try 0x10 0x10 "tos 0x10 ttl 16" "tos 0x10 ttl 16"
try 99 99 "tos 0x99 ttl 99" "tos 0x98 ttl 99"
vxlan tos 100 2>/dev/null && fail "tos 100 is taken"
echo "tos 100: refused"
ip -n "$N" rule add tos 16 table 7 2>/dev/null && fail "ip rule takes tos 16"
echo "ip rule add tos 16: refused"
must ip -n "$N" rule add tos 10 table 7
ip -n "$N" rule show | grep -q 'tos 0x10 lookup 7' || fail "$(ip -n "$N" rule show)"
echo "ip rule add tos 10: taken for 0x10"
