#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A vxlan device learns the source MAC of a frame that a TC filter at its ingress drops.
#
# About: a TC filter that drops (TC_ACT_SHOT) at the ingress of a vxlan device that learns.
# Versions: Linux 6.18.44; 6.1 was not tried. Debian's iproute2 6.1.0-3.
# Behaviour: A's vxlan device, a port of a bridge, has 192.0.2.3 as remote. B, 192.0.2.2, sends it a
#   frame in the tunnel, which a filter at the device's ingress drops, be it one for all or for this
#   source MAC. The drop is counted, and the bridge never hears of the MAC. But the device's own
#   table has it with B as destination, so a frame to that MAC goes to B and not to the remote, as
#   without a filter. If the filter is at the ingress of the port under the tunnel, nothing is
#   learned.
# Source: vxlan_rcv() in drivers/net/vxlan/vxlan_core.c calls vxlan_set_mac(), which calls
#   vxlan_snoop(), before it hands the packet to gro_cells_receive(); the hooks at the device's
#   ingress come after that, in __netif_receive_skb_core() in net/core/dev.c.
# Output seen (where the filter is; what it makes of the MAC; where a frame to the MAC goes):
#   no filter: 0 dropped; in the device's table 192.0.2.2, in the bridge's yes; sent to 192.0.2.2
#   all at vx0: 1 dropped; in the device's table 192.0.2.2, in the bridge's no; sent to 192.0.2.2
#   MAC at vx0: 1 dropped; in the device's table 192.0.2.2, in the bridge's no; sent to 192.0.2.2
#   at the port: 1 dropped; in the device's table no, in the bridge's no; sent to 192.0.2.3

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace A; namespace B
must ip -n "$A" link add u0 type veth peer name u0 netns "$B"
must ip -n "$A" addr add 192.0.2.1/24 dev u0
must ip -n "$B" addr add 192.0.2.2/24 dev u0
must ip -n "$B" addr add 192.0.2.3/24 dev u0
for letter in A B; do must ip -n "${!letter}" link set u0 up; done
must ip -n "$B" link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.2 remote 192.0.2.1
must ip -n "$B" link set vx0 up
must ip -n "$A" link add br0 type bridge
must ip -n "$A" link set br0 up
must tc -n "$A" qdisc add dev u0 clsact

mac=02:00:00:00:00:bb
frame() { # TO FROM
    echo "${1//:/}${2//:/}88b5$(printf %092d 0)"
}
learned() { # "self" or "master": the destination, or "yes" for want of one
    bridge -n "$A" fdb show dev vx0 | grep "^$mac .*$1" |
        sed -E 's/.* dst ([^ ]*).*/\1/; t; s/.*/yes/'
}
dropped() { # DEVICE: how many packets were dropped at its ingress
    tc -n "$A" -s qdisc show dev "$1" clsact | sed -nE 's/.*\(dropped ([0-9]+),.*/\1/p'
}
destination() { # the outer destination of the frames with the inner destination $mac
    captured | sed -nE "s/^.{24}0800.{32}(..)(..)(..)(..).{4}12b5.{24}${mac//:/}.*/\1 \2 \3 \4/p" |
        while read -r a b c d; do echo $((16#$a)).$((16#$b)).$((16#$c)).$((16#$d)); done | sort -u
}
# Filters in classic BPF. 2 is TC_ACT_SHOT, 4294967295 TC_ACT_UNSPEC.
every="1,6 0 0 2"
by_mac="6,32 0 0 6,21 0 3 33554432,40 0 0 10,21 0 1 187,6 0 0 2,6 0 0 4294967295" # $mac
tunnel="8,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 17,40 0 0 36,21 0 1 4789,6 0 0 2,6 0 0 4294967295"
# try WHAT DEVICE FILTER DROPPED LEARNED BRIDGE TO
try() {
    local before lost own bridge to
    must ip -n "$A" link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.1 remote 192.0.2.3
    must ip -n "$A" link set vx0 master br0
    must ip -n "$A" link set vx0 up
    must tc -n "$A" qdisc add dev vx0 clsact
    [ -z "$3" ] || must tc -n "$A" filter add dev "$2" ingress bpf da bytecode "$3"
    before=$(dropped "$2")
    frame 02:00:00:00:00:aa $mac | send_frames "$B" vx0
    sleep 0.5
    lost=$(($(dropped "$2") - before))
    own=$(learned self) bridge=$(learned master)
    captured >"$work/before"
    frame $mac 02:00:00:00:00:aa | send_frames "$A" vx0
    to=$(destination)
    echo "$1: $lost dropped; in the device's table ${own:-no}, in the bridge's ${bridge:-no};" \
        "sent to $to"
    [ "$lost" = "$4" ] || fail "$lost dropped, not $4"
    [ "${own:-no}" = "$5" ] || fail "learned by the device: ${own:-no}, not $5"
    [ "${bridge:-no}" = "$6" ] || fail "learned by the bridge: ${bridge:-no}, not $6"
    [ "$to" = "$7" ] || fail "the frame goes to $to, not $7"
    [ -z "$3" ] || must tc -n "$A" filter del dev "$2" ingress
    must ip -n "$A" link del vx0
}
capture "$B" u0
try "no filter" vx0 "" 0 192.0.2.2 yes 192.0.2.2
try "all at vx0" vx0 "$every" 1 192.0.2.2 no 192.0.2.2
try "MAC at vx0" vx0 "$by_mac" 1 192.0.2.2 no 192.0.2.2
try "at the port" u0 "$tunnel" 1 no no 192.0.2.3
