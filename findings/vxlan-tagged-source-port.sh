#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A vxlan device picks the UDP source port of a tagged frame by the inner packet's length and TOS,
# not by its flow: flows share a port, and packets of one flow have several.
#
# About: the outer UDP source port, which is to differ from flow to flow (RFC 7348, section 5), of
#   frames with a VLAN tag that a bridge sends to a vxlan device.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: 64 UDP flows get about 64 source ports, one each. With a tag around the same packets
#   all flows get one port together: whatever spreads tunnels by their ports, such as equal-cost
#   routes or a NIC's queues, has all of it in one place. Neither addresses nor ports, MACs or the
#   VLAN matter. What does are the first four bytes of the IP header: eight packets of one flow,
#   each a byte longer than the last, leave from eight ports, so that they may overtake each other
#   on the way.
# Source: the tag is beside the packet when the bridge sends it. validate_xmit_vlan() in
#   net/core/dev.c puts it into the packet, because a vxlan device takes none beside, and sets
#   skb->protocol to the tag's, while the network header stays behind the tag. __skb_flow_dissect()
#   in net/core/flow_dissector.c goes by these two: it reads the IP header as a VLAN header, TOS as
#   VLAN and length as protocol, and finds nothing to go on with. udp_flow_src_port() in
#   include/net/udp.h takes the hash that comes of it.
# Output seen (the first line's ports vary; Linux 6.1 has 64 and 1 in the last two lines):
#   64 flows, no tag: 63 ports
#   8 lengths in one flow, no tag: 1 ports
#   64 flows, a tag: 1 ports
#   8 lengths in one flow, a tag: 8 ports
#   64 flows, two tags: 1 ports
#   8 lengths in one flow, two tags: 8 ports

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1

# P (sends by p1) -- N (p0, br0, vx0 over u0) -- P (u1)
namespace N; namespace P
must ip -n "$N" link add p0 type veth peer name p1 netns "$P"
must ip -n "$N" link add u0 type veth peer name u1 netns "$P"
must ip -n "$N" link add br0 type bridge
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 remote 192.0.2.2
must ip -n "$N" addr add 192.0.2.1/24 dev u0
for device in p0 vx0; do must ip -n "$N" link set $device master br0; done
for device in p0 vx0 u0 br0; do must ip -n "$N" link set $device up; done
for device in p1 u1; do must ip -n "$P" link set $device up; done
must ip -n "$N" neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev u0
sleep 1 # until the bridge forwards
capture "$P" u1

ports() { # COUNT: how many ports the COUNT packets on standard input leave from
    local frames
    send_frames "$P" p1
    frames=$(captured | grep -E '^.{24}0800.{44}12b5')
    [ "$(wc -l <<<"$frames")" = "$1" ] || fail "not all of $1 frames came out" >&2
    cut -c 69-72 <<<"$frames" | sort -u | wc -l
}
packet() { # TAG PORT LENGTH, of the UDP payload
    local sum=$((0x4500 + 28 + $3 + 0x4011 + 2 * 0xc633 + 0x6401 + 0x6402))
    sum=$(((sum & 0xffff) + (sum >> 16)))
    printf '020000000004 020000000003 %s 0800 4500%04x 00000000 4011%04x c6336401 c6336402' \
        "$1" $((28 + $3)) $((~((sum & 0xffff) + (sum >> 16)) & 0xffff))
    printf '%04x 0009 %04x 0000 %0*x\n' "$2" $((8 + $3)) $((2 * $3)) 1
}
# try WHAT TAGS LEAST MOST LENGTHS: how many ports the flows, and one flow's lengths are to have
try() {
    local flows lengths
    flows=$(for i in {1..64}; do packet "$2" $((10000 + i)) 4; done | ports 64) || exit 1
    lengths=$(for i in {1..8}; do packet "$2" 10000 $i; done | ports 8) || exit 1
    printf '64 flows, %s: %s ports\n8 lengths in one flow, %s: %s ports\n' \
        "$1" "$flows" "$1" "$lengths"
    [ "$flows" -ge "$3" ] && [ "$flows" -le "$4" ] || fail "the flows have $flows ports"
    [ "$lengths" -ge "$5" ] || fail "the lengths have $lengths ports"
    [ "$1" != "no tag" ] || [ "$lengths" = 1 ] || fail "the lengths have $lengths ports"
}
try "no tag" "" 48 64 1
try "a tag" 81000005 1 1 7
try "two tags" 8100000581000006 1 64 1
