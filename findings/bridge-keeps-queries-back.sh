#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A bridge port with "mcast_flood off" gets no IGMP queries of another querier, so hosts behind it
# drop out of their groups, though the bridge snoops and knows both the querier and the group.
#
# About: "mcast_flood off" of a port of a snooping bridge, with the querier behind another port.
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3, tcpdump 4.99.3-1 and libpcap 1.10.3-1.
# Behaviour: a querier sends general queries to 224.0.0.1 (IGMPv2, every second) into a bridge with
#   mcast_snooping. A host behind a port with "mcast_flood on" gets them. With "mcast_flood off" it
#   gets none, while the bridge's own queries (mcast_querier 1) still reach it. The option is meant to
#   keep groups that nobody has joined away from the port; with it the host is never asked, so it never
#   reports, and its membership in the bridge times out although the querier is alive.
# Source: br_flood() in net/bridge/br_forward.c leaves out ports without BR_MCAST_FLOOD for every
#   multicast packet that came in by another port, and a query to 224.0.0.1 is no exception. The
#   bridge's own queries go to each port by __br_multicast_send_query() in br_multicast.c.
# Output seen:
#   mcast_flood on, another querier: queries arrive
#   mcast_flood off, another querier: none arrives
#   mcast_flood off, the bridge's own querier: queries arrive

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
for name in Q S H; do namespace $name; done # querier, switch, host
must ip -n "$S" link add sw type bridge mcast_snooping 1 mcast_querier 0 mcast_querier_interval 100
must ip link add p netns "$S" type veth peer name e netns "$Q"
must ip link add q netns "$S" type veth peer name e netns "$H"
# The querier is a bridge, because a bridge sends queries.
must ip -n "$Q" link add sw type bridge mcast_snooping 1 mcast_igmp_version 2
must ip -n "$Q" addr add 192.0.2.1/24 dev sw
must ip -n "$S" addr add 192.0.2.2/24 dev sw
must ip -n "$H" addr add 192.0.2.3/24 dev e
must ip -n "$Q" link set e master sw
for port in p q; do must ip -n "$S" link set $port master sw up; done
for host in "$Q" "$H"; do must ip -n "$host" link set e up; done
for host in "$Q" "$S"; do must ip -n "$host" link set sw up; done

queries() { # what the host gets in four seconds: from the address
    timeout 4 ip netns exec "$H" tcpdump -lnn -i e "igmp and dst 224.0.0.1 and src $1" 2>/dev/null |
        grep -c 'igmp query'
}
querier() { # NAMESPACE ON: queries each second
    must ip -n "$1" link set sw type bridge mcast_querier "$2" mcast_query_interval 100 \
        mcast_startup_query_interval 100 mcast_query_response_interval 50 mcast_query_use_ifaddr 1
}
# try FLOOD NAMESPACE WHOSE WANTED
try() {
    local found
    must bridge -n "$S" link set dev q mcast_flood "$1"
    querier "$2" 1
    found=$(queries "$4")
    querier "$2" 0
    [ "$found" -gt 0 ] && found="queries arrive" || found="none arrives"
    echo "mcast_flood $1, $3: $found"
    [ "$found" = "$5" ] || fail "not $5"
}
try on "$Q" "another querier" 192.0.2.1 "queries arrive"
try off "$Q" "another querier" 192.0.2.1 "none arrives"
sleep 2 # the other querier counts as gone
try off "$S" "the bridge's own querier" 192.0.2.2 "queries arrive"
