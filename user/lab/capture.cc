// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/capture.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "bpf/abi/wire.h"

namespace xvtep {

namespace {

constexpr std::size_t kept_bytes = 512;

using Bytes = std::span<const std::uint8_t>;

std::uint16_t word(Bytes bytes, std::size_t at)
{
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

Mac mac_at(Bytes bytes, std::size_t at)
{
    Mac mac;
    std::memcpy(mac.octets.data(), &bytes[at], mac.octets.size());
    return mac;
}

void parse_transport(Packet &packet, unsigned protocol, Bytes bytes)
{
    if (bytes.size() < 8)
        return;
    if (protocol == IPPROTO_UDP) {
        packet.udp = Packet::Udp{word(bytes, 0), word(bytes, 2)};
        packet.payload = bytes.subspan(8);
        return;
    }
    const bool v4 = packet.to.is_v4();
    if (v4 ? protocol != IPPROTO_ICMP : protocol != IPPROTO_ICMPV6)
        return;
    const bool request = bytes[0] == (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
    if (request || bytes[0] == (v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
        packet.echo = EchoHeader{request, word(bytes, 4), word(bytes, 6)};
}

bool parse_v4(Packet &packet, Bytes bytes)
{
    if (bytes.size() < 20)
        return false;
    const std::size_t header = (bytes[0] & 0xfu) * 4u;
    const bool later_fragment = (word(bytes, 6) & 0x1fff) != 0;
    if (bytes[0] >> 4 != 4 || header < 20 || bytes.size() < header || later_fragment)
        return false;
    packet.ttl = bytes[8];
    packet.df = bytes[6] & 0x40;
    packet.from = Ip::from_bytes(&bytes[12], 4);
    packet.to = Ip::from_bytes(&bytes[16], 4);
    parse_transport(packet, bytes[9], bytes.subspan(header));
    return true;
}

bool parse_v6(Packet &packet, Bytes bytes)
{
    if (bytes.size() < 40 || bytes[0] >> 4 != 6)
        return false;
    packet.ttl = bytes[7];
    packet.from = Ip::from_bytes(&bytes[8], 16);
    packet.to = Ip::from_bytes(&bytes[24], 16);
    parse_transport(packet, bytes[6], bytes.subspan(40));
    return true;
}

// The kernel keeps a tag in the packet or beside it, in the skb.
void take_tag(Frame &frame, msghdr &message)
{
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA)
            continue;
        tpacket_auxdata auxiliary;
        std::memcpy(&auxiliary, CMSG_DATA(header), sizeof(auxiliary));
        if (auxiliary.tp_status & TP_STATUS_VLAN_VALID) {
            frame.vlan = auxiliary.tp_vlan_tci & 0xfff;
            return;
        }
    }
    if (frame.bytes.size() >= ETH_HLEN + 4 && word(frame.bytes, 2 * ETH_ALEN) == ETH_P_8021Q) {
        frame.vlan = word(frame.bytes, ETH_HLEN) & 0xfff;
        frame.bytes.erase(frame.bytes.begin() + 2 * ETH_ALEN,
                          frame.bytes.begin() + 2 * ETH_ALEN + 4);
    }
}

} // namespace

Result<Capture> Capture::open(int ifindex)
{
    // Without a protocol until it is bound, so that it gets no frames of other devices.
    Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return errno_failure("capture", "", errno);
    const int on = 1;
    if (::setsockopt(socket.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0)
        return errno_failure("capture", "", errno);
    const int buffer = 4 << 20;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = ifindex;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0)
        return errno_failure("capture", "", errno);
    return Capture(std::move(socket));
}

std::vector<Frame> Capture::drain()
{
    std::vector<Frame> frames;
    std::array<std::uint8_t, kept_bytes> buffer;
    for (;;) {
        sockaddr_ll address{};
        iovec data{buffer.data(), buffer.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
        msghdr message{};
        message.msg_name = &address;
        message.msg_namelen = sizeof(address);
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket_.get(), &message, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return frames;
        Frame frame{
            {buffer.begin(), buffer.begin() + got}, address.sll_pkttype == PACKET_OUTGOING, {}};
        take_tag(frame, message);
        frames.push_back(std::move(frame));
    }
}

std::optional<Packet> parse_packet(std::span<const std::uint8_t> frame)
{
    if (frame.size() < ETH_HLEN)
        return std::nullopt;
    Packet packet;
    packet.destination = mac_at(frame, 0);
    packet.source = mac_at(frame, ETH_ALEN);
    const std::uint16_t type = word(frame, 2 * ETH_ALEN);
    const Bytes rest = frame.subspan(ETH_HLEN);
    if ((type == ETH_P_IP && parse_v4(packet, rest)) ||
        (type == ETH_P_IPV6 && parse_v6(packet, rest)))
        return packet;
    return std::nullopt;
}

std::optional<Encapsulated> parse_encapsulated(std::span<const std::uint8_t> frame)
{
    const std::optional<Packet> outer = parse_packet(frame);
    if (!outer || !outer->udp || outer->payload.size() < sizeof(xv_vxlan_header))
        return std::nullopt;
    xv_vxlan_header header;
    std::memcpy(&header, outer->payload.data(), sizeof(header));
    if (!(ntohl(header.flags) & XV_VXLAN_FLAG_VNI))
        return std::nullopt;
    return Encapsulated{*outer, ntohl(header.vni) >> 8, outer->payload.subspan(sizeof(header))};
}

std::optional<VxlanPacket> parse_vxlan(std::span<const std::uint8_t> frame)
{
    const std::optional<Encapsulated> packet = parse_encapsulated(frame);
    if (!packet)
        return std::nullopt;
    const std::optional<Packet> inner = parse_packet(packet->inner);
    if (!inner)
        return std::nullopt;
    return VxlanPacket{packet->outer, packet->vni, *inner};
}

Result<> send_frame(int ifindex, std::span<const std::uint8_t> bytes)
{
    const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = ifindex;
    if (!socket || ::sendto(socket.get(), bytes.data(), bytes.size(), 0,
                            reinterpret_cast<const sockaddr *>(&address), sizeof(address)) < 0)
        return errno_failure("send frame", "", errno);
    return {};
}

} // namespace xvtep
