#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Deleting a next hop deletes the vxlan entries that use it, without a notification about them.
#
# About: "ip nexthop del" of a next hop for FDBs ("fdb"), of whose group entries of a vxlan device
#   make use.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: four entries go by group 102, which has one member, next hop 12. Deleting next hop 12
#   deletes the group, as an empty one, and the four entries. Listeners of RTNLGRP_NEXTHOP are told
#   of the next hop and its group; listeners of RTNLGRP_NEIGH, where each entry was announced when
#   it was made, hear nothing. The same entries deleted by hand are announced one by one. So a copy
#   of the table that is kept from its notifications keeps what is gone.
# Source: vxlan_fdb_nh_flush() in drivers/net/vxlan/vxlan_core.c, called for NEXTHOP_EVENT_DEL by
#   vxlan_nexthop_event(), has vxlan_fdb_destroy() not notify. remove_nexthop() and
#   __remove_nexthop() in net/ipv4/nexthop.c tell of next hops only.
# Output seen:
#   4 entries made: 4 messages about entries, 4 in the table
#   deleted by hand: 4 messages about entries, 0 in the table
#   4 entries made: 4 messages about entries, 4 in the table
#   next hop 12 deleted: 0 messages about entries, 0 in the table; about next hops: 12 102

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789
must ip -n "$N" link set vx0 up
must ip -n "$N" nexthop add id 12 via 192.0.2.1 fdb
must ip -n "$N" nexthop add id 102 group 12 fdb
listen "$N" vx0
ip netns exec "$N" timeout 60 ip monitor nexthop >>"$work/nexthops" 2>/dev/null &
pids+=($!)
for ((id = 1000; id < 1100; id++)); do # until it listens
    [ -s "$work/nexthops" ] && break
    must ip -n "$N" nexthop add id $id blackhole
    sleep 0.05
done

# expect WHAT MESSAGES TABLE
expect() {
    local told left
    told=$(heard "$N" vx0 | grep '02:00:00:00:00:0[1-4] ' | grep -c nhid)
    left=$(bridge -n "$N" fdb show dev vx0 | grep -c '^02:00:00:00:00:0[1-4] ')
    printf '%s' "$1: $told messages about entries, $left in the table"
    [ "$told" = "$2" ] || fail "$told messages, not $2"
    [ "$left" = "$3" ] || fail "$left entries, not $3"
}
make() {
    for i in 1 2 3 4; do must bridge -n "$N" fdb add 02:00:00:00:00:0$i dev vx0 nhid 102; done
    expect "4 entries made" 4 4
    echo
}
make
for i in 1 2 3 4; do must bridge -n "$N" fdb del 02:00:00:00:00:0$i dev vx0; done
expect "deleted by hand" 4 0
echo
make
must ip -n "$N" nexthop del id 12
expect "next hop 12 deleted" 0 0
told=$(sed -n 's/^Deleted id \([0-9]*\) .*/\1/p' "$work/nexthops" | xargs)
echo "; about next hops: $told"
[ "$told" = "12 102" ] || fail "the messages are about $told"
