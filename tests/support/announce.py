# SPDX-License-Identifier: GPL-2.0-only
# Says unasked, out of DEVICE, that ADDRESS is at its MAC, as one that takes over an address does:
# a gratuitous ARP request (RFC 5227 3) or an unsolicited advertisement (RFC 4861 7.2.6).
import socket, struct, sys

device, address = sys.argv[1:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((device, 0))
mac = out.getsockname()[4]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


if ":" in address:
    ip = socket.inet_pton(socket.AF_INET6, address)
    nodes = socket.inet_pton(socket.AF_INET6, "ff02::1")
    body = struct.pack("!I", 0x20000000) + ip + b"\2\1" + mac  # override; target's MAC
    pseudo = ip + nodes + struct.pack("!II", 4 + len(body), 58)
    icmp = struct.pack("!BBH", 136, 0, checksum(pseudo + struct.pack("!BBH", 136, 0, 0) + body))
    packet = struct.pack("!IHBB", 6 << 28, 4 + len(body), 58, 255) + ip + nodes + icmp + body
    out.send(bytes.fromhex("333300000001") + mac + b"\x86\xdd" + packet)
else:
    ip = socket.inet_aton(address)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + ip + bytes(6) + ip
    out.send(bytes.fromhex("ffffffffffff") + mac + b"\x08\x06" + arp)
