#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A vxlan device with "proxy" swallows the ARP replies of its own host.
#
# About: "ip link add ... type vxlan ... proxy", which has the device answer ARP requests from the
#   host's neighbour table.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: A and B have a vxlan device each, with the other as remote; A's has "proxy". A sends to
#   B's address, and B to A's. A's request for B's MAC is taken by the device, as expected. But B's
#   request arrives at A, which learns B's MAC and IP from it and replies, and the reply, a unicast
#   to B's MAC, is taken by A's device, too. B never gets A's MAC. The device counts neither packets
#   sent nor dropped. So "proxy" at one end demands complete neighbour tables at all others.
# Source: vxlan_xmit() in drivers/net/vxlan/vxlan_core.c hands each packet of ETH_P_ARP to
#   arp_reduce(), which answers some requests and consumes whatever it is given. (Of IPv6, it hands
#   neighbour solicitations alone to neigh_reduce().)
# Output seen:
#   without proxy: B has A's MAC: yes; A has B's MAC: yes; A's device sent some, dropped 0
#   with proxy: B has A's MAC: no; A has B's MAC: yes; A's device sent none, dropped 0

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace A; namespace B
must ip -n "$A" link add u0 type veth peer name u0 netns "$B"
address=1
for letter in A B; do
    must ip -n "${!letter}" addr add 192.0.2.$address/24 dev u0
    must ip -n "${!letter}" link set u0 up
    address=2
done
send() { # LETTER ADDRESS: one packet, which has that host ask for the MAC
    must ip netns exec "${!1}" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton($ARGV[0])))' "$2"
}
knows() { # LETTER ADDRESS
    local mac
    mac=$(ip -n "${!1}" neigh show "$2" dev vx0 | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
    echo "${mac:+yes}"
}
sent() { # packets sent and dropped by A's device
    ip -n "$A" -s link show vx0 | awk '/TX:/ { getline; print $2 ? "some" : "none", $4 }'
}
# try WHAT OPTION A_KNOWN_BY_B SENT
try() {
    local known back counts
    must ip -n "$A" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.2 $2
    must ip -n "$B" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.1
    must ip -n "$A" addr add 198.51.100.1/24 dev vx0
    must ip -n "$B" addr add 198.51.100.2/24 dev vx0
    for letter in A B; do must ip -n "${!letter}" link set vx0 up; done
    send B 198.51.100.1
    for _ in {1..30}; do # three requests, a second from each other
        sleep 0.1
        known=$(knows B 198.51.100.1) back=$(knows A 198.51.100.2)
        [ "$known$back" = yesyes ] && break
    done
    counts=$(sent)
    echo "$1: B has A's MAC: ${known:-no}; A has B's MAC: ${back:-no};" \
        "A's device sent ${counts/ /, dropped }"
    [ "${known:-no}" = "$3" ] || fail "B has A's MAC: ${known:-no}, not $3"
    [ "$back" = yes ] || fail "A did not hear B's request"
    [ "$counts" = "$4 0" ] || fail "A's device sent, dropped: $counts, not $4 0"
    for letter in A B; do must ip -n "${!letter}" link del vx0; done
}
try "without proxy" "" yes some
try "with proxy" proxy no none
