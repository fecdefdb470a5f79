#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A vxlan device's own "remote" cannot be deleted by its address, but the command to do so succeeds.
#
# About: "bridge fdb del 00:00:00:00:00:00 dev VXLAN dst ADDRESS" where the vxlan device was made
#   with "remote" and "dev"; deleting a destination that an entry does not have.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: a device with "remote 192.0.2.1 dev u0" floods to that address and, after an "append",
#   to 192.0.2.2. Deleting 192.0.2.1 exits with 0 and changes nothing; with "via u0" it works. The
#   destination that was appended without "via" goes without. Any other address, which is not a
#   destination at all, is "deleted" with status 0 too, of a unicast MAC as well. Only a MAC that
#   has no entry is an error. Linux 6.1 even notifies listeners of the deletion that did not happen,
#   by an RTM_DELNEIGH with the MAC and without a destination: one that takes it for the whole
#   entry's end forgets the list of destinations that are still there.
# Source: __vxlan_fdb_delete() in drivers/net/vxlan/vxlan_core.c finds the destination by address,
#   port, VNI and device together, and returns 0 where vxlan_fdb_find_rdst() has none; the device's
#   own destination has the device ("dev") in it. In 6.1 rtnl_fdb_del() in net/core/rtnetlink.c
#   notifies after each call that returned 0, whatever the driver had notified itself.
# Output seen (Linux 6.1 has 1 in the last column, of each line but the last):
#   del 00:00:00:00:00:00 dst 192.0.2.1: status 0, left 192.0.2.1 192.0.2.2, news of the MAC alone: 0
#   del 00:00:00:00:00:00 dst 192.0.2.77: status 0, left 192.0.2.1 192.0.2.2, news of the MAC alone: 0
#   del 00:00:00:00:00:00 dst 192.0.2.2: status 0, left 192.0.2.1, news of the MAC alone: 0
#   del 02:00:00:00:00:01 dst 192.0.2.77: status 0, left 192.0.2.5, news of the MAC alone: 0
#   del 00:00:00:00:00:00 dst 192.0.2.1 via u0: status 0, left nothing, news of the MAC alone: 0
#   del 02:00:00:00:00:02 dst 192.0.2.77: status 255, left nothing, news of the MAC alone: 0

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add u0 type veth peer name u1
must ip -n "$N" link set u0 up
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.1 dev u0
must ip -n "$N" link set vx0 up
must bridge -n "$N" fdb append 00:00:00:00:00:00 dev vx0 dst 192.0.2.2
must bridge -n "$N" fdb add 02:00:00:00:00:01 dev vx0 dst 192.0.2.5
listen "$N" vx0
case $(uname -r) in [0-5].* | 6.[0-9].* | 6.1[0-2].*) old=1 ;; *) old=0 ;; esac

# delete STATUS LEFT ALONE WORDS...
delete() {
    local status left alone expected=$1 stay=$2 told=$3
    shift 3
    heard "$N" vx0 >/dev/null
    timeout 10 bridge -n "$N" fdb del "$1" dev vx0 "${@:2}" 2>/dev/null
    status=$?
    left=$(bridge -n "$N" fdb show dev vx0 | sed -n "s/^$1 dst \([^ ]*\) .*/\1/p" | xargs)
    alone=$(heard "$N" vx0 | grep "^Deleted $1" | grep -vc ' dst ')
    echo "del $*: status $status, left ${left:-nothing}, news of the MAC alone: $alone"
    [ "$status" = "$expected" ] || fail "the status is $status, not $expected"
    [ "$left" = "$stay" ] || fail "what is left is $left, not $stay"
    [ "$alone" = "$told" ] || fail "$alone messages tell of the MAC alone, not $told"
}
zeros=00:00:00:00:00:00
delete 0 "192.0.2.1 192.0.2.2" $old $zeros dst 192.0.2.1
delete 0 "192.0.2.1 192.0.2.2" $old $zeros dst 192.0.2.77
delete 0 "192.0.2.1" $old $zeros dst 192.0.2.2
delete 0 "192.0.2.5" $old 02:00:00:00:00:01 dst 192.0.2.77
delete 0 "" $old $zeros dst 192.0.2.1 via u0
delete 255 "" 0 02:00:00:00:00:02 dst 192.0.2.77
