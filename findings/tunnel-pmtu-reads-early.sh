#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Whether a bridged packet that is too big for a tunnel is answered depends on its destination address.
#
# About: a vxlan device in a bridge; an IPv6 packet with an extension header, larger than the path.
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: The sender shall get "packet too big" unless the packet is itself an ICMPv6 error, a
#   later fragment, or broken. To find out, the kernel goes through the extension headers, but begins
#   14 bytes before the first one, in the destination address. So of two packets that differ in the
#   address alone one is answered, and the other one leaves in fragments.
# Source: iptunnel_pmtud_check_icmpv6() in net/ipv4/ip_tunnel_core.c calls ipv6_skip_exthdr() with the
#   size of an IPv6 header as the offset. That counts from skb->data, where a bridged frame has its
#   Ethernet header.
# Output seen:
#   to fd00:1100::2: answered; to fd00:3b00::2: sent in fragments

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
command -v python3 >/dev/null || skip "this needs python3"
namespace N
namespace C
namespace W
must ip link add u netns "$N" type veth peer name w netns "$W"
must ip link add c netns "$N" type veth peer name eth0 netns "$C"
for end in "$N u" "$N c" "$W w" "$C eth0"; do
    read -r ns dev <<<"$end"
    must ip -n "$ns" link set "$dev" up
done
must ip -n "$N" addr add 192.0.2.1/24 dev u
must ip -n "$N" neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev u
must ip -n "$N" link add br0 type bridge mcast_snooping 0
must ip -n "$N" link add vx0 mtu 1500 type vxlan id 7 dstport 4789 local 192.0.2.1 remote 192.0.2.2
for dev in vx0 c; do must ip -n "$N" link set "$dev" master br0 up; done
must ip -n "$N" link set br0 up

cat >"$work/try.py" <<'END'
import ctypes, select, socket, sys, time
LIBC = ctypes.CDLL(None)  # os.setns() came with Python 3.12
CONTAINER, WIRE = sys.argv[1:3]

def enter(ns):
    with open("/run/netns/" + ns) as f:
        LIBC.setns(f.fileno(), 0)

def listen(ns, dev):
    enter(ns)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((dev, 3))
    return s

inside, wire = listen(CONTAINER, "eth0"), listen(WIRE, "w")

def outcome(address):
    options = bytes([17, 0, 1, 4, 0, 0, 0, 0])  # UDP follows; padding
    udp = (7).to_bytes(2, "big") * 2 + (1452).to_bytes(2, "big") + bytes(2) + bytes(1444)
    packet = (bytes.fromhex("60000000") + (1460).to_bytes(2, "big") + bytes([60, 64])
              + socket.inet_pton(socket.AF_INET6, "fd00::1")
              + socket.inet_pton(socket.AF_INET6, address) + options + udp)
    inside.send(bytes.fromhex("0200000000bb" "0200000000aa" "86dd") + packet)
    end, seen = time.monotonic() + 1, set()
    while time.monotonic() < end:
        for s in select.select([inside, wire], [], [], 0.1)[0]:
            frame = s.recv(2048)
            if s is inside and frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 2:
                seen.add("answered")
            if s is wire and frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[20] & 0x3F:
                seen.add("sent in fragments")
    return " and ".join(sorted(seen)) or "nothing"

print("; ".join(f"to {a}: {outcome(a)}" for a in ("fd00:1100::2", "fd00:3b00::2")))
END
seen=$(must python3 "$work/try.py" "$C" "$W")
echo "$seen"
[ "$seen" = "to fd00:1100::2: answered; to fd00:3b00::2: sent in fragments" ] || fail "it has changed"
