#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A MAC that has moved to another VTEP is still sent to by the route to the old one.
#
# About: a vxlan device that learns; a MAC whose frames came from one VTEP, and now come from
#   another; only one of the two is behind a router.
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: The entry has the new VTEP's address, and frames leave with it. But the next hop is that
#   of the old VTEP. If the old VTEP was on the link and the new one is behind a router, the host asks
#   with ARP for an address that nobody on the link has, and no frame arrives. It lasts until the
#   route cache of the entry becomes invalid: until some route of the host changes.
# Source: vxlan_snoop() in drivers/net/vxlan/vxlan_core.c writes remote_ip of the entry's destination,
#   and does not reset its dst_cache, from which vxlan_xmit_one() takes the route, as
#   vxlan_fdb_replace() does.
# Output seen:
#   entry: dst 203.0.113.9; asked for by ARP: 203.0.113.9, which "ip route get" says is via 192.0.2.2

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
command -v python3 >/dev/null || skip "this needs python3"
namespace N
namespace W
must ip link add u netns "$N" type veth peer name w netns "$W"
for end in "$N u 192.0.2.1" "$W w 192.0.2.2"; do
    read -r ns dev address <<<"$end"
    must ip -n "$ns" addr add "$address/24" dev "$dev"
    must ip -n "$ns" link set "$dev" up
done
must ip -n "$W" link set lo up
must ip -n "$W" addr add 203.0.113.9/32 dev lo
must ip -n "$N" route add default via 192.0.2.2
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.1 dev u
must ip -n "$N" addr add 10.0.0.1/24 dev vx0
must ip -n "$N" link set vx0 up
must ip -n "$N" neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev vx0

# hear ADDRESS: a frame of the MAC from the VTEP with this address
hear() {
    must ip netns exec "$W" python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('$1', 0))
s.sendto(bytes.fromhex('0800000000000700' 'ffffffffffff' '020000000002' '88b5') + bytes(46), ('192.0.2.1', 4789))"
}
try() { ip netns exec "$N" ping -q -c 2 -i 0.2 -W 1 10.0.0.2 >/dev/null 2>&1; }

hear 192.0.2.2
try # the route is cached
hear 203.0.113.9
try
entry=$(bridge -n "$N" fdb show dev vx0 | sed -n 's/^02:00:00:00:00:02 dst \([^ ]*\) .*/\1/p')
asked=$(ip -n "$N" neigh show dev u | sed -n 's/^\(203[^ ]*\) .*/\1/p')
via=$(ip -n "$N" route get 203.0.113.9 | sed -n 's/.* via \([^ ]*\) .*/\1/p')
echo "entry: dst $entry; asked for by ARP: ${asked:-nobody}, which \"ip route get\" says is via $via"
[ "$entry $asked $via" = "203.0.113.9 203.0.113.9 192.0.2.2" ] || fail "it has changed"
