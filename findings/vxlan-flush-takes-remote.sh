#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# "bridge fdb flush" takes a vxlan device's "remote" away; "ip -d link" goes on showing it.
#
# About: "bridge fdb flush dev VXLAN" for a device that was made with "remote ADDRESS".
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3. Linux 6.1 refuses to flush a vxlan device.
# Behaviour: after the flush the device has no default destination any more and sends nothing, not
#   even after it was set down and up again, while "ip -d link show" has "remote 192.0.2.2" as
#   before. Setting the same remote again exits with 0 and does not bring it back; another
#   one does, and then the first. Setting the device down instead removes learned and other
#   dynamic entries and leaves the default destination alone.
# Source: vxlan_fdb_delete_bulk() in drivers/net/vxlan/vxlan_core.c flushes every entry that
#   matches, and the default destination is an entry like others; vxlan_flush() spares it only where
#   ignore_default_entry is set, which this call leaves out. vxlan_fill_info() reports what was
#   configured, not the table. vxlan_changelink() touches the table only where the new remote
#   differs from the configured one.
# Output seen:
#   made: ip shows remote 192.0.2.2, the table has 192.0.2.2, 3 of 3 packets leave
#   down and up: ip shows remote 192.0.2.2, the table has 192.0.2.2, 3 of 3 packets leave
#   flushed: ip shows remote 192.0.2.2, the table has nothing, 0 of 3 packets leave
#   down and up again: ip shows remote 192.0.2.2, the table has nothing, 0 of 3 packets leave
#   the same remote set: ip shows remote 192.0.2.2, the table has nothing, 0 of 3 packets leave
#   another remote set, and the first: ip shows remote 192.0.2.2, the table has 192.0.2.2, 3 of 3 packets leave

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add u0 type veth peer name u1
must ip -n "$N" link set u0 up
must ip -n "$N" link set u1 up
must ip -n "$N" addr add 192.0.2.1/24 dev u0
for host in 2 3; do
    must ip -n "$N" neigh replace 192.0.2.$host lladdr 02:00:00:00:00:02 dev u0
done
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.2
must ip -n "$N" addr add 198.51.100.1/24 dev vx0
must ip -n "$N" link set vx0 up

sent() { ip -n "$N" -s link show u0 | awk '/TX:/ { getline; print $2 }'; }
# look WHEN TABLE PACKETS
look() {
    local shown table before count
    shown=$(ip -n "$N" -d link show vx0 | sed -n 's/.* remote \([^ ]*\) .*/\1/p')
    table=$(bridge -n "$N" fdb show dev vx0 | sed -n 's/^00:.* dst \([^ ]*\) .*/\1/p')
    must ip -n "$N" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:04 dev vx0
    before=$(sent)
    must ip netns exec "$N" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton("198.51.100.2"))) for 1 .. 3'
    count=$(($(sent) - before))
    echo "$1: ip shows remote $shown, the table has ${table:-nothing}, $count of 3 packets leave"
    [ "$shown" = 192.0.2.2 ] || fail "ip shows remote $shown"
    [ "$table" = "$2" ] || fail "the table has $table, not $2"
    [ "$count" = "$3" ] || fail "$count packets leave, not $3"
}
restart() { must ip -n "$N" link set vx0 down; must ip -n "$N" link set vx0 up; }

look made 192.0.2.2 3
restart
look "down and up" 192.0.2.2 3
bridge -n "$N" fdb flush dev vx0 2>"$work/error" || skip "no flush here: $(cat "$work/error")"
look flushed "" 0
restart
look "down and up again" "" 0
must ip -n "$N" link set vx0 type vxlan remote 192.0.2.2
look "the same remote set" "" 0
must ip -n "$N" link set vx0 type vxlan remote 192.0.2.3
must ip -n "$N" link set vx0 type vxlan remote 192.0.2.2
look "another remote set, and the first" 192.0.2.2 3
