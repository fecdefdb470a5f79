#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A second destination for a unicast MAC is accepted by a vxlan device, and not there afterwards.
#
# About: "bridge fdb append MAC dev VXLAN dst ADDRESS" for a MAC that has an entry.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: the command says nothing, exits with 0, adds no destination, and sends no notification.
#   For the all-zeros and for multicast MACs the same command adds the destination and notifies.
#   "add" in its place is refused ("File exists"), and "replace" changes the destination. What
#   append does change are the entry's state and flags: a static entry to which somebody "appends"
#   without the word static is permanent afterwards, and about that there is a notification, with
#   the old destination. (Linux 6.1 sends one more notification, without a destination, for each
#   request; it is not counted here.)
# Source: vxlan_fdb_update_existing() in drivers/net/vxlan/vxlan_core.c (vxlan_fdb_update() before
#   it was split) sets state and flags first. It calls vxlan_fdb_append() for multicast and
#   all-zeros MACs only, and has no error for the others.
# Output seen:
#   append to a unicast MAC: status 0, destinations 192.0.2.1, 0 notifications
#   append to a multicast MAC: status 0, destinations 192.0.2.1 192.0.2.2, 1 notifications
#   append to the all-zeros MAC: status 0, destinations 192.0.2.1 192.0.2.2, 1 notifications
#   append to a static unicast MAC: status 0, destinations 192.0.2.1, 1 notifications: permanent

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789
must ip -n "$N" link set vx0 up
listen "$N" vx0

# append WHAT MAC DESTINATIONS NOTIFICATIONS [static]
append() {
    local status found news count
    must bridge -n "$N" fdb add "$2" dev vx0 dst 192.0.2.1 ${5:-}
    heard "$N" vx0 >/dev/null
    timeout 10 bridge -n "$N" fdb append "$2" dev vx0 dst 192.0.2.2
    status=$?
    found=$(bridge -n "$N" fdb show dev vx0 | sed -n "s/^$2 dst \([^ ]*\) .*/\1/p" | xargs)
    news=$(heard "$N" vx0 | grep "^$2 .* dst ")
    count=$(grep -c . <<<"$news")
    echo "append to $1: status $status, destinations $found," \
        "$count notifications${5:+: ${news##* }}"
    [ "$status" = 0 ] || fail "append to $1 is refused"
    [ "$found" = "$3" ] || fail "the destinations are $found, not $3"
    [ "$count" = "$4" ] || fail "$count notifications, not $4"
    [ -z "${5:-}" ] || grep -q "^$2 dev vx0 dst 192.0.2.1 .*permanent" <<<"$news" ||
        fail "the notification is: $news"
}
append "a unicast MAC" 02:00:00:00:00:01 "192.0.2.1" 0
append "a multicast MAC" 01:00:5e:00:00:01 "192.0.2.1 192.0.2.2" 1
append "the all-zeros MAC" 00:00:00:00:00:00 "192.0.2.1 192.0.2.2" 1
append "a static unicast MAC" 02:00:00:00:00:02 "192.0.2.1" 1 static
