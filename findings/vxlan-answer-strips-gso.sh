#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A bridge's flood of a GSO packet loses its other copies if a vxlan device answers that it is too big.
#
# About: a bridge with a vxlan device and other ports; a GSO packet to all of them, whose segments are
#   larger than the path of the vxlan device.
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: The vxlan device turns its copy into an ICMP error. The copies of the other ports stop
#   being GSO packets by that. Those that the bridge has not sent yet are then single packets of the
#   whole size, and are dropped as larger than the MTU. So it depends on the order in which the ports
#   joined the bridge whether the other ports get the packet: the newest port is the first of a flood.
# Source: iptunnel_pmtud_build_icmp() in net/ipv4/ip_tunnel_core.c works on a clone, whose
#   skb_shared_info with gso_size is also that of the other clones.
# Output seen:
#   vxlan joined first: 1 packet of 13634 bytes
#   vxlan joined last: 0 packets

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
command -v python3 >/dev/null || skip "this needs python3"
cat >"$work/flood.py" <<'END'
import ctypes, select, socket, struct, sys, time
LIBC = ctypes.CDLL(None)  # os.setns() came with Python 3.12
SENDER, RECEIVER = sys.argv[1:3]
VNET_HEADER = 15  # PACKET_VNET_HDR

def port(ns):
    with open("/run/netns/" + ns) as f:
        LIBC.setns(f.fileno(), 0)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind(("eth0", 3))
    s.setsockopt(263, VNET_HEADER, 1)
    return s

def add(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total

receiver, sender = port(RECEIVER), port(SENDER)
size = 13580
addresses = bytes([10, 20, 1, 2, 10, 20, 1, 3])
pseudo = add(addresses + struct.pack("!HH", 6, 20 + size))
tcp = struct.pack("!HHIIBBHHH", 40000, 80, 1, 1, 0x50, 0x10, 4096, pseudo, 0)
ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + size, 1, 0x4000, 64, 6, 0) + addresses
ip = ip[:10] + struct.pack("!H", ~add(ip) & 0xFFFF) + ip[12:]
frame = bytes.fromhex("01005e010203" "022000000004" "0800") + ip + tcp + bytes(size)
sender.send(struct.pack("<BBHHHH", 1, 1, 54, 1358, 34, 16) + frame)
end, seen = time.monotonic() + 0.5, []
while time.monotonic() < end:
    for s in select.select([receiver], [], [], 0.1)[0]:
        data = s.recv(70000)
        if data[22:24] == b"\x08\x00":
            seen.append(f"{len(data) - 10} bytes")
print(f"{len(seen)} packet{'s' * (len(seen) != 1)}" + "".join(f" of {one}" for one in seen))
END
namespace N
namespace C
namespace D
namespace W
must ip link add u netns "$N" type veth peer name w netns "$W"
must ip link add e0 netns "$N" type veth peer name eth0 netns "$C"
must ip link add e1 netns "$N" type veth peer name eth0 netns "$D"
for end in "$N u" "$N e0" "$N e1" "$W w" "$C eth0" "$D eth0"; do
    read -r ns dev <<<"$end"
    must ip -n "$ns" link set "$dev" up
done
must ip -n "$N" link set u mtu 1380
must ip -n "$N" addr add 192.0.2.1/24 dev u
must ip -n "$N" neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev u
must ip -n "$N" link add vx0 mtu 1450 type vxlan id 7 dstport 4789 local 192.0.2.1 remote 192.0.2.2
must ip -n "$N" link set vx0 up

# flood PORT...: what arrives at e1 if the ports join in this order
flood() {
    must ip -n "$N" link add br0 type bridge mcast_snooping 0
    must ip -n "$N" link set br0 up
    for dev in "$@"; do must ip -n "$N" link set "$dev" master br0; done
    must python3 "$work/flood.py" "$C" "$D"
    must ip -n "$N" link del br0
}
first=$(flood vx0 e0 e1) last=$(flood e0 e1 vx0)
echo "vxlan joined first: $first"
echo "vxlan joined last: $last"
[ "$first" = "1 packet of 13634 bytes" ] && [ "$last" = "0 packets" ] || fail "it has changed"
