#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A vxlan device never uses the last port of "srcport", and does not use a range of one port at all.
#
# About: "srcport MIN MAX" of a vxlan device.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: 256 flows leave a device with "srcport 5000 5003" from 5000, 5001 and 5002, and one
#   with "5000 5001" all from 5000. Whoever wants just that port and says "5000 5000" is not
#   refused, and "ip -d link" shows it, but then the flows leave from hundreds of ports of the
#   host's ip_local_port_range, of which none is 5000.
# Source: udp_flow_src_port() in include/net/udp.h scales the hash to MAX - MIN values, and takes
#   the local port range where MIN is not below MAX. vxlan_validate() in
#   drivers/net/vxlan/vxlan_core.c refuses ranges only where MAX is below MIN.
# Output seen:
#   srcport 5000 5003: 5000 5001 5002
#   srcport 5000 5001: 5000
#   srcport 5000 5000: 252 other ports

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N; namespace P
must ip -n "$N" link add u0 type veth peer name u1 netns "$P"
must ip -n "$N" addr add 192.0.2.1/24 dev u0
must ip -n "$N" link set u0 up
must ip -n "$P" link set u1 up
must ip -n "$N" neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev u0
capture "$P" u1

# try RANGE PORTS
try() {
    local ports
    must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.2 srcport $1
    must ip -n "$N" addr add 198.51.100.1/24 dev vx0
    must ip -n "$N" link set vx0 up
    must ip -n "$N" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:04 dev vx0
    must ip netns exec "$N" perl -MSocket -e '
        for (1 .. 256) {
            socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
            bind($s, pack_sockaddr_in(20000 + $_, INADDR_ANY)) or die "bind: $!";
            send($s, "x", 0, pack_sockaddr_in(9, inet_aton("198.51.100.2"))) or die "send: $!";
        }'
    ports=$(captured | sed -nE 's/^.{24}0800.{40}(.{4})12b5.*/0x\1/p' | sort -u |
        xargs printf '%d ')
    ports=${ports% }
    case " $ports " in *" 5000 "*) ;; *) ports=$(wc -w <<<"$ports")" other ports" ;; esac
    echo "srcport $1: $ports"
    [ "$ports" = "$2" ] || [[ $2 = other && $ports =~ ^2[0-9]{2}.other ]] || fail "not $2"
    ip -n "$N" -d link show vx0 | grep -q "srcport $1" || fail "ip shows another range"
    must ip -n "$N" link del vx0
}
try "5000 5003" "5000 5001 5002"
try "5000 5001" "5000"
try "5000 5000" other
