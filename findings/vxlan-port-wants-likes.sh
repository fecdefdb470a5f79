#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Two vxlan devices that differ in how they receive can both be made for one UDP port, but only one
# of them can be set up, whatever addresses they have.
#
# About: "external", "gbp", "udp6zerocsumrx" of a vxlan device, beside another device with the same
#   "dstport".
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: two ordinary devices with different VNIs share a port. An "external" device and an
#   ordinary one do not, in neither order, though their VNIs could be told apart: "ip link add"
#   succeeds for both, and "ip link set up" of the second fails with "Address already in use", which
#   names no device. So does a device with "gbp" beside one without, or with "udp6zerocsumrx", which
#   means nothing to IPv4. Different "local" addresses do not help. Which of them works depends on
#   which was set up first; the second can be set up once the first is down. Settings about sending
#   ("ttl", "noudpcsum") do no harm.
# Source: vxlan_find_sock() in drivers/net/vxlan/vxlan_core.c shares a socket only among devices
#   that have the same of all flags about receiving (VXLAN_F_RCV_FLAGS). Otherwise
#   __vxlan_sock_add() wants one more for the port and any address, for vxlan_create_sock() does not
#   bind it to "local". vxlan_open() comes to this, not the making of a device.
# Output seen:
#   id 7, id 8: up, up
#   id 7, external: up, Address already in use; with the first down: up
#   external, id 7: up, Address already in use; with the first down: up
#   id 7, id 8 gbp: up, Address already in use; with the first down: up
#   id 7, id 8 udp6zerocsumrx: up, Address already in use; with the first down: up
#   id 7 local 192.0.2.1, id 8 local 192.0.2.2 gbp: up, Address already in use; with the first down:
#     up
#   id 7, id 8 ttl 9 noudpcsum: up, up

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
for i in 1 2; do must ip -n "$N" addr add 192.0.2.$i/32 dev lo; done

up() { # DEVICE: what setting it up leads to
    local error
    error=$(ip -n "$N" link set "$1" up 2>&1) && { echo up; return; }
    echo "${error#RTNETLINK answers: }"
}
# try FIRST SECOND WHAT
try() {
    local found
    must ip -n "$N" link add vx0 type vxlan dstport 4789 $1
    must ip -n "$N" link add vx1 type vxlan dstport 4789 $2
    found="$(up vx0), $(up vx1)"
    if [ "$found" != "up, up" ]; then
        must ip -n "$N" link set vx0 down
        found+="; with the first down: $(up vx1)"
    fi
    echo "$1, $2: $found"
    [ "$found" = "$3" ] || fail "not $3"
    for i in 0 1; do must ip -n "$N" link del vx$i; done
}
refused="up, Address already in use; with the first down: up"
try "id 7" "id 8" "up, up"
try "id 7" "external" "$refused"
try "external" "id 7" "$refused"
try "id 7" "id 8 gbp" "$refused"
try "id 7" "id 8 udp6zerocsumrx" "$refused"
try "id 7 local 192.0.2.1" "id 8 local 192.0.2.2 gbp" "$refused"
try "id 7" "id 8 ttl 9 noudpcsum" "up, up"
