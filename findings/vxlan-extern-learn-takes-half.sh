#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A controller's "extern_learn" entry over one that was made by hand takes the destination and
# nothing else: it ages out under the controller.
#
# About: "bridge fdb replace MAC dev VXLAN dst ADDRESS dynamic extern_learn", as EVPN daemons send
#   it, for a MAC that has an entry; such entries do not age.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: MAC 1 has no entry, MAC 2 one that was added by hand as dynamic. A controller puts its
#   entry, to another VTEP, for both. Both commands exit with 0, and both entries go to the new
#   VTEP, but only MAC 1's is "extern_learn". MAC 2's goes with the ageing time, and frames are
#   flooded, while the controller takes it for installed. What makes the difference is a flag (added
#   by a user) that no tool shows: MAC 2's entry looks like a learned one, over which extern_learn
#   works.
# Source: vxlan_fdb_update_existing() in drivers/net/vxlan/vxlan_core.c (vxlan_fdb_update() before
#   it was split) leaves state and flags of an entry with NTF_VXLAN_ADDED_BY_USER alone, so that it
#   is not taken over, but goes on to replace the destination. vxlan_fdb_add() sets that flag for
#   whatever comes by netlink, and vxlan_cleanup() spares entries with NTF_EXT_LEARNED.
# Output seen:
#   MAC 1: dst 192.0.2.2 self extern_learn; MAC 2: dst 192.0.2.2 self
#   after the ageing time: MAC 1: dst 192.0.2.2 self extern_learn; MAC 2: gone

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 ageing 3
must ip -n "$N" link set vx0 up

entry() { # MAC
    local found
    found=$(bridge -n "$N" fdb show dev vx0 | sed -n "s/^02:00:00:00:00:0$1 \(.*[^ ]\) *$/\1/p")
    echo "MAC $1: ${found:-gone}"
}
# expect WHEN ENTRIES
expect() {
    local found
    found="$(entry 1); $(entry 2)"
    echo "${1:+$1: }$found"
    [ "$found" = "$2" ] || fail "not $2"
}
must bridge -n "$N" fdb add 02:00:00:00:00:02 dev vx0 dst 192.0.2.1 dynamic
for mac in 02:00:00:00:00:01 02:00:00:00:00:02; do
    must bridge -n "$N" fdb replace $mac dev vx0 dst 192.0.2.2 dynamic extern_learn
done
expect "" "MAC 1: dst 192.0.2.2 self extern_learn; MAC 2: dst 192.0.2.2 self"
for _ in {1..140}; do # the table is looked through every ten seconds
    [ "$(entry 2)" = "MAC 2: gone" ] && break
    sleep 0.1
done
expect "after the ageing time" "MAC 1: dst 192.0.2.2 self extern_learn; MAC 2: gone"
