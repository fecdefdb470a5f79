#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Changing a vxlan device's "remote" makes every flood destination permanent, and removes one that
# somebody else has put there.
#
# About: "ip link set VXLAN type vxlan remote ADDRESS" for a device whose list of flood destinations
#   (the all-zeros entry) is kept by others with "bridge fdb append".
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: somebody appends 192.0.2.3 and 192.0.2.4 to the list as dynamic entries. Setting
#   "remote 192.0.2.3", which is in the list already, makes both permanent, of which the
#   notification names one. With the next change of remote, 192.0.2.3 is removed from the list,
#   though it was there before any remote, and 192.0.2.4 stays. "remote 0.0.0.0" takes the last
#   remote away and puts nothing in its place.
# Source: vxlan_changelink() in drivers/net/vxlan/vxlan_core.c adds the new remote by
#   vxlan_fdb_update() with NUD_REACHABLE|NUD_PERMANENT: vxlan_fdb_update_existing() sets the state
#   of the whole entry, and vxlan_fdb_append() finds a destination that is there. Then it deletes
#   the old remote by __vxlan_fdb_delete(), whoever added it: destinations have no owner and no
#   count.
# Output seen:
#   appended: 192.0.2.3 dynamic, 192.0.2.4 dynamic
#   remote 192.0.2.3: 192.0.2.3 permanent, 192.0.2.4 permanent; news: + 192.0.2.3
#   remote 192.0.2.5: 192.0.2.4 permanent, 192.0.2.5 permanent; news: + 192.0.2.5, - 192.0.2.3
#   remote 0.0.0.0: 192.0.2.4 permanent; news: - 192.0.2.5

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789
must ip -n "$N" link set vx0 up
listen "$N" vx0

joined() { paste -sd, | sed 's/,/, /g'; }
table() {
    bridge -n "$N" fdb show dev vx0 | sed -n 's/^00:[^ ]* dst \([^ ]*\) self */\1 /p' |
        sed 's/ $/ dynamic/' | joined
}
news() { # of destinations
    heard "$N" vx0 | sed -n 's/^\(D\?\).*00:00:00:00:00:00 dev vx0 dst \([^ ]*\) .*/\1 \2/p' |
        sed 's/^D/-/; s/^ /+ /' | joined
}
# expect WHAT TABLE [NEWS]
expect() {
    local found told
    found=$(table) told=$(news)
    echo "$1: $found${3:+; news: $told}"
    [ "$found" = "$2" ] || fail "the table has $found, not $2"
    [ -z "${3:-}" ] || [ "$told" = "$3" ] || fail "the news are $told, not $3"
}
for address in 192.0.2.3 192.0.2.4; do
    must bridge -n "$N" fdb append 00:00:00:00:00:00 dev vx0 dst $address dynamic
done
expect appended "192.0.2.3 dynamic, 192.0.2.4 dynamic"
must ip -n "$N" link set vx0 type vxlan remote 192.0.2.3
expect "remote 192.0.2.3" "192.0.2.3 permanent, 192.0.2.4 permanent" "+ 192.0.2.3"
must ip -n "$N" link set vx0 type vxlan remote 192.0.2.5
expect "remote 192.0.2.5" "192.0.2.4 permanent, 192.0.2.5 permanent" "+ 192.0.2.5, - 192.0.2.3"
must ip -n "$N" link set vx0 type vxlan remote 0.0.0.0
expect "remote 0.0.0.0" "192.0.2.4 permanent" "- 192.0.2.5"
