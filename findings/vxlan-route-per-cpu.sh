#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which of two equal routes a flow in a vxlan tunnel takes depends on the CPU that sends it, unless
# its packets have a mark.
#
# About: equal-cost routes under the kernel's vxlan device, with
#   net.ipv4.fib_multipath_hash_policy=1, for a process that moves to another CPU, and for SO_MARK.
#   vxlan-sticks-to-one-route.sh shows what one CPU does.
# Versions: Linux 6.18.44; 6.1 was not tried. Debian's iproute2 6.1.0-3.
# Behaviour: 192.0.2.2 is reached by two next hops. Of 200 flows in a vxlan tunnel to it whose
#   packets have a mark, for which there is no rule, each next hop gets about half. So two flows are
#   found, one for each. After a change of routes CPU 0 sends the first without a mark, and CPU 1
#   the second: they leave as before. Then they change their CPUs, and with them their next hops,
#   though they are the same flows with the same outer ports. With the mark each has its own next
#   hop again, whichever CPU sends. So a flow may be reordered when its process moves, and a mark
#   that nothing looks at changes the way of a packet.
# Source: udp_tunnel_dst_lookup(), called by vxlan_xmit_one() in drivers/net/vxlan/vxlan_core.c,
#   takes the route from the destination's dst_cache (net/core/dst_cache.c), which is per CPU. Each
#   CPU's is filled by the first packet that it sends. ip_tunnel_dst_cache_usable() in
#   include/net/ip_tunnels.h says no to a packet with a mark, whose route is therefore looked up,
#   and not kept.
# Output seen (101 and 99 are others after each boot):
#   200 flows with a mark: 101 and 99 packets by the next hops
#   after a change of routes: first flow by CPU 0 to next hop 1, second by CPU 1 to next hop 2
#   moved: first flow by CPU 1 to next hop 2, second by CPU 0 to next hop 1
#   with a mark: first flow by CPU 1 to next hop 1, second by CPU 0 to next hop 2
#   with a mark: first flow by CPU 0 to next hop 1, second by CPU 1 to next hop 2
#   without it again: first flow by CPU 1 to next hop 2, second by CPU 0 to next hop 1
#   outer source ports of the first flow: 1, of the second: 1

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
taskset -c 0 true 2>/dev/null && taskset -c 1 true 2>/dev/null || skip "this needs CPUs 0 and 1"
two_next_hops
# send CPU MARK FIRST LAST COUNT: so many packets from each of these ports; sets $one and $two
send() {
    local before1 before2
    before1=$(packets u1) before2=$(packets u2)
    must ip netns exec "$N" taskset -c "$1" perl -MSocket -e '
        my ($mark, $first, $last, $count) = @ARGV;
        for my $port ($first .. $last) {
            socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
            setsockopt($s, SOL_SOCKET, 36, pack("i", $mark)) or die "SO_MARK: $!" if $mark;
            bind($s, pack_sockaddr_in($port, INADDR_ANY)) or die "bind: $!";
            my $to = pack_sockaddr_in(9, inet_aton("198.51.100.2"));
            defined(send($s, "x", 0, $to)) or die "send: $!" for 1 .. $count;
        }' "$2" "$3" "$4" "$5"
    one=$(($(packets u1) - before1)) two=$(($(packets u2) - before2))
    [ $((one + two)) -ge $((($4 - $3 + 1) * $5)) ] || fail "not all packets left"
}
# hop CPU MARK PORT: sets $hop to the next hop of that flow, of which 20 packets are sent
hop() {
    send "$1" "$2" "$3" "$3" 20
    hop=mixed # something of the kernel's own may be among them
    [ "$two" -gt 3 ] || hop=1
    [ "$one" -gt 3 ] || hop=2
}

for i in 1 2; do capture "$P" p$i; mv "$work/frames" "$work/frames$i"; done
send 0 77 20001 20200 1
echo "200 flows with a mark: $one and $two packets by the next hops"
[ "$one" -gt 50 ] && [ "$two" -gt 50 ] || fail "one of the next hops is hardly used"
first="" second="" port=30000
while [ -z "$first" ] || [ -z "$second" ]; do
    port=$((port + 1))
    [ $port -lt 30040 ] || fail "40 flows with a mark have the same next hop"
    hop 0 77 $port
    case $hop in
        1) first=$port ;;
        2) second=$port ;;
        *) fail "a flow with a mark has two next hops" ;;
    esac
done
# try WHAT CPU CPU MARK HOPS: the next hops of the two flows, sent by these CPUs
try() {
    local hops
    hop "$2" "$4" "$first"
    hops=$hop
    hop "$3" "$4" "$second"
    hops="$hops $hop"
    echo "$1: first flow by CPU $2 to next hop ${hops% *}, second by CPU $3 to next hop ${hops#* }"
    [ "$hops" = "$5" ] || fail "$hops, not $5"
}
must ip -n "$N" route add 192.0.2.3/32 via 203.0.113.18
try "after a change of routes" 0 1 0 "1 2"
try "moved" 1 0 0 "2 1"
try "with a mark" 1 0 77 "1 2"
try "with a mark" 0 1 77 "1 2"
try "without it again" 1 0 0 "2 1"
sleep 0.5
outer() { # PORT: the outer source ports of the flow from this port
    sed -nE "s/^.{24}0800.{40}(.{4})12b5.{92}$(printf %04x "$1").*/\1/p" "$work"/frames[12] |
        sort -u | wc -l
}
ports="$(outer "$first") $(outer "$second")"
echo "outer source ports of the first flow: ${ports% *}, of the second: ${ports#* }"
[ "$ports" = "1 1" ] || fail "a flow has more than one outer source port"
