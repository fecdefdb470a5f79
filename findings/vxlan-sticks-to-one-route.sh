#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A host with two equal routes to a vxlan device's remote uses one of them for all flows.
#
# About: equal-cost routes under the kernel's vxlan device, with
#   net.ipv4.fib_multipath_hash_policy=1, which spreads by UDP ports.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: 192.0.2.2 is reached by two next hops. Of 200 UDP packets from 200 ports that the host
#   itself sends there, each next hop gets about half. Of 200 packets of 200 flows in a vxlan tunnel
#   to the same address, sent by one CPU, one next hop gets all, though their outer source ports are
#   nearly all different. It stays with that one until routes change; then all go to what was chosen
#   for the first packet after the change. (Routers behind this host do spread them.)
# Source: udp_tunnel_dst_lookup(), called by vxlan_xmit_one() in drivers/net/vxlan/vxlan_core.c,
#   keeps the route in the destination's dst_cache (net/core/dst_cache.c), which is per CPU and
#   knows of no ports. vxlan_get_route() did the same before.
# Output seen (the first line varies; which next hop has the 200 does, too):
#   200 flows of the host itself: 104 and 96 packets by the next hops
#   200 flows in the tunnel: 0 and 200 packets by the next hops
#   source ports: 199
#   200 flows in the tunnel after a change of routes: 0 and 200 packets by the next hops

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
two_next_hops
send() { # ADDRESS PORT: one packet from each of 200 ports, by CPU 0
    must ip netns exec "$N" taskset -c 0 perl -MSocket -e '
        my ($to, $port) = @ARGV;
        for (1 .. 200) {
            socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
            bind($s, pack_sockaddr_in(20000 + $_, INADDR_ANY)) or die "bind: $!";
            send($s, "x", 0, pack_sockaddr_in($port, inet_aton($to))) or die "send: $!";
        }' "$1" "$2"
}
# try WHAT ADDRESS PORT; sets $one and $two
try() {
    local before1 before2
    before1=$(packets u1) before2=$(packets u2)
    send "$2" "$3"
    one=$(($(packets u1) - before1)) two=$(($(packets u2) - before2))
    echo "$1: $one and $two packets by the next hops"
    [ $((one + two)) -ge 200 ] || fail "not all packets left"
}
stuck() { # one next hop had all; something of the kernel's own may be among them
    [ "$one" -le 3 ] || [ "$two" -le 3 ] || fail "both next hops are used"
}
try "200 flows of the host itself" 192.0.2.2 9
[ "$one" -gt 50 ] && [ "$two" -gt 50 ] || fail "one of the next hops is hardly used"

for i in 1 2; do capture "$P" p$i; mv "$work/frames" "$work/frames$i"; done
try "200 flows in the tunnel" 198.51.100.2 9
stuck
sleep 0.5
ports=$(cat "$work"/frames[12] | sed -nE 's/^.{24}0800.{40}(.{4})12b5.*/\1/p' | sort -u | wc -l)
echo "source ports: $ports"
[ "$ports" -gt 150 ] || fail "$ports source ports"

must ip -n "$N" route add 192.0.2.3/32 via 203.0.113.18
try "200 flows in the tunnel after a change of routes" 198.51.100.2 9
stuck
