#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Moving a device from one network namespace to another deletes vxlan devices in a third.
#
# About: "ip link set DEVICE netns NAMESPACE" where a vxlan device was made with "dev DEVICE" and
#   has been moved elsewhere itself, as container engines do.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: vx0 and vx1 were made in A with "dev u0", which is in A, and vx1 has been moved to C.
#   vx2, in A, uses u0 only by an entry ("via u0"). Setting u0 down and up does no harm. When u0
#   moves from A to B, vx0 and vx1 are deleted, with addresses, routes, and FDB, and do not come
#   back with u0. vx2 stays. "ip link" tells nothing of the dependence but with "-d" (a VLAN device
#   has "@u0" behind its name; a vxlan device has none in its first namespace).
# Source: leaving a namespace sends NETDEV_UNREGISTER (__dev_change_net_namespace() in
#   net/core/dev.c), as deleting does. vxlan_netdevice_event() in drivers/net/vxlan/vxlan_core.c
#   then has vxlan_handle_lowerdev_unregister() delete the devices of the list of the namespace
#   where they were made, wherever they are now. It has no get_iflink callback, by which "ip" would
#   be told of the port.
# Output seen:
#   u0 in A: vx0 in A, vx1 in C, vx2 in A
#   u0 was down: vx0 in A, vx1 in C, vx2 in A
#   u0 in B: vx0 gone, vx1 gone, vx2 in A
#   u0 in A again: vx0 gone, vx1 gone, vx2 in A

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace A; namespace B; namespace C
must ip -n "$A" link add u0 type veth peer name u1
must ip -n "$A" link set u0 up
for i in 0 1; do
    must ip -n "$A" link add vx$i type vxlan id $i dstport 4789 dev u0 remote 192.0.2.2
done
must ip -n "$A" link add vx2 type vxlan id 2 dstport 4789
must ip -n "$A" link set vx1 netns "$C"
for place in "$A vx0" "$C vx1" "$A vx2"; do
    must ip -n ${place% *} link set ${place#* } up
done
must bridge -n "$A" fdb append 00:00:00:00:00:00 dev vx2 dst 192.0.2.2 via u0

where() {
    local name=$1 found=gone
    for letter in A B C; do
        ip -n "${!letter}" link show "$name" >/dev/null 2>&1 && found="in $letter"
    done
    echo "$name $found"
}
# expect WHEN WHERE
expect() {
    local found
    found="$(where vx0), $(where vx1), $(where vx2)"
    echo "$1: $found"
    [ "$found" = "$2" ] || fail "not $2"
}
ip -n "$A" link show vx0 | grep -q ': vx0: ' || fail "ip link names the lower device of vx0"
expect "u0 in A" "vx0 in A, vx1 in C, vx2 in A"
must ip -n "$A" link set u0 down
must ip -n "$A" link set u0 up
expect "u0 was down" "vx0 in A, vx1 in C, vx2 in A"
must ip -n "$A" link set u0 netns "$B"
expect "u0 in B" "vx0 gone, vx1 gone, vx2 in A"
must ip -n "$B" link set u0 netns "$A"
expect "u0 in A again" "vx0 gone, vx1 gone, vx2 in A"
