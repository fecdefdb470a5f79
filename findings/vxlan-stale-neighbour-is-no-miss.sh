#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Once a neighbour entry has gone stale or failed, a vxlan device with "proxy l3miss" neither
# answers from it nor reports a miss.
#
# About: "proxy l3miss", by which a controller is asked for a neighbour that the device cannot
#   answer for, and gives it as "nud reachable" so that it expires.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: a container behind the bridge asks for 198.51.100.50. There is no entry, and the miss
#   is reported, with each request again. The controller adds an entry, and the device answers. When
#   the entry's time is over it becomes STALE, or DELAY, PROBE and FAILED if it is younger than
#   delay_first_probe_time then. From then on requests have no answer, and no miss is reported. It
#   stays that way: the kernel keeps such entries as long as its table has fewer than gc_thresh1
#   (128). A controller that waits for misses is never asked again; it has to watch the entry's
#   state, or delete it.
# Source: arp_reduce() in drivers/net/vxlan/vxlan_core.c reports the miss only where neigh_lookup()
#   finds no entry, and answers only if its state is one of NUD_CONNECTED; neigh_reduce() does the
#   same for IPv6. neigh_timer_handler() in net/core/neighbour.c changes the states, and
#   neigh_periodic_work() has the limit.
# Output seen:
#   no entry: no answer, misses reported: yes
#   reachable: answered, misses reported: no
#   STALE: no answer, misses reported: no
#   STALE 5 seconds later: no answer, misses reported: no
#   deleted: no answer, misses reported: yes
#   FAILED: no answer, misses reported: no

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1

# C (c1: asks) -- N (c0, br0, vx0)
namespace N; namespace C
must ip -n "$N" link add br0 type bridge
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 proxy l3miss
must ip -n "$N" link add c0 type veth peer name c1 netns "$C"
for device in vx0 c0; do must ip -n "$N" link set $device master br0; done
for device in vx0 c0 br0; do must ip -n "$N" link set $device up; done
must ip -n "$C" addr add 198.51.100.1/24 dev c1
must ip -n "$C" link set c1 up
must ip netns exec "$N" sysctl -qw net.ipv4.neigh.vx0.base_reachable_time_ms=6000 \
    net.ipv4.neigh.vx0.delay_first_probe_time=0 net.ipv4.neigh.vx0.retrans_time_ms=200
ip netns exec "$N" timeout 60 ip monitor neigh >>"$work/misses" 2>/dev/null &
pids+=($!)

# ask: has C ask for the address; sets $answer and $misses
ask() {
    : >"$work/misses"
    ip -n "$C" neigh flush dev c1 2>/dev/null
    ip netns exec "$C" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton("198.51.100.50")))'
    for _ in {1..12}; do
        sleep 0.1
        grep -q '^miss 198.51.100.50 dev vx0' "$work/misses" && break
        ip -n "$C" neigh show 198.51.100.50 | grep -q lladdr && break
    done
    answer="no answer" misses=no
    ip -n "$C" neigh show 198.51.100.50 | grep -q lladdr && answer=answered
    grep -q '^miss 198.51.100.50 dev vx0' "$work/misses" && misses=yes
}
# expect WHEN ANSWER MISSES
expect() {
    ask
    echo "$1: $answer, misses reported: $misses"
    [ "$answer, $misses" = "$2, $3" ] || fail "expected: $2, misses reported: $3"
}
state() { ip -n "$N" neigh show 198.51.100.50 dev vx0; }
for _ in {1..100}; do # until the bridge forwards and "ip monitor" listens
    ask
    [ $misses = yes ] && break
done
expect "no entry" "no answer" yes
must ip -n "$N" neigh replace 198.51.100.50 lladdr 02:00:00:00:00:50 dev vx0 nud reachable
expect reachable answered no
until_state() {
    for _ in {1..300}; do
        state | grep -q "$1" && return
        sleep 0.1
    done
    fail "the entry is not $1: $(state)"
}
until_state STALE
expect STALE "no answer" no
sleep 5
expect "STALE 5 seconds later" "no answer" no
until_state STALE
must ip -n "$N" neigh del 198.51.100.50 dev vx0
expect deleted "no answer" yes
must ip netns exec "$N" sysctl -qw net.ipv4.neigh.vx0.delay_first_probe_time=10
must ip -n "$N" neigh replace 198.51.100.50 lladdr 02:00:00:00:00:50 dev vx0 nud reachable
until_state FAILED
expect FAILED "no answer" no
