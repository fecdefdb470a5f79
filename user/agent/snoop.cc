// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/snoop.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace xvtep::agent {
namespace {

constexpr std::size_t ethernet = 14, arp_size = 28, ipv6_size = 40;
constexpr std::uint16_t arp_request = 1, arp_reply = 2;
constexpr std::uint8_t solicitation = 135, advertisement = 136;
constexpr std::uint8_t source_option = 1, target_option = 2;

std::uint16_t read16(std::span<const std::uint8_t> bytes)
{
    return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

Mac mac_at(std::span<const std::uint8_t> bytes)
{
    Mac mac;
    std::ranges::copy(bytes.first(6), mac.octets.begin());
    return mac;
}

bool names_a_host(const Heard &heard)
{
    return !heard.mac.is_zero() && !heard.mac.is_multicast() && !heard.ip.is_any() &&
           !heard.ip.is_multicast() && !heard.ip.is_loopback() &&
           heard.ip.text() != "255.255.255.255";
}

std::optional<Heard> parse_arp(const Mac &from, std::span<const std::uint8_t> arp)
{
    if (arp.size() < arp_size || read16(arp) != 1 || read16(arp.subspan(2)) != ETH_P_IP ||
        arp[4] != 6 || arp[5] != 4)
        return std::nullopt;
    Heard heard{mac_at(arp.subspan(8)), Ip::from_bytes(&arp[14], 4)};
    const Ip target = Ip::from_bytes(&arp[24], 4);
    if (read16(arp.subspan(6)) == arp_request && target != heard.ip)
        heard.wanted = target;
    return heard.mac == from ? std::optional(heard) : std::nullopt;
}

std::optional<Heard> parse_nd(const Mac &from, std::span<const std::uint8_t> ip)
{
    if (ip.size() < ipv6_size + 24 || ip[6] != IPPROTO_ICMPV6 || ip[7] != 255)
        return std::nullopt;
    const auto size = std::min<std::size_t>(read16(ip.subspan(4)), ip.size() - ipv6_size);
    const auto icmp = ip.subspan(ipv6_size, size);
    if (icmp.size() < 24 || (icmp[0] != solicitation && icmp[0] != advertisement) || icmp[1] != 0)
        return std::nullopt;
    const Ip source = Ip::from_bytes(&ip[8], 16), target = Ip::from_bytes(&icmp[8], 16);
    // An advertisement is about its target. So is a solicitation without source address, with
    // which a host asks whether an address is free before it takes it.
    const bool about_target = icmp[0] == advertisement || source.is_any();
    Heard heard{from, about_target ? target : source};
    if (!about_target)
        heard.wanted = target;
    for (auto options = icmp.subspan(24); options.size() >= 8;) {
        const std::size_t length = options[1] * std::size_t{8};
        if (length == 0 || length > options.size())
            return std::nullopt;
        const auto own = icmp[0] == advertisement ? target_option : source_option;
        if (options[0] == own && mac_at(options.subspan(2)) != from)
            return std::nullopt;
        options = options.subspan(length);
    }
    return heard;
}

class Frame {
  public:
    void put8(unsigned value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }
    void put16(unsigned value)
    {
        put8(value >> 8);
        put8(value & 0xff);
    }
    void put(const Mac &mac) { bytes_.insert(bytes_.end(), mac.octets.begin(), mac.octets.end()); }
    void put(const Ip &ip) { bytes_.insert(bytes_.end(), ip.bytes(), ip.bytes() + ip.size()); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

    // Writes the checksum (RFC 1071) of the bytes from `from` on, and of `more`, at `at`.
    void checksum(std::size_t from, std::size_t at, std::uint32_t more)
    {
        std::uint32_t sum = more;
        for (std::size_t i = from; i + 1 < bytes_.size(); i += 2)
            sum += read16(std::span(bytes_).subspan(i));
        while (sum > 0xffff)
            sum = (sum >> 16) + (sum & 0xffff);
        bytes_[at] = static_cast<std::uint8_t>(~sum >> 8);
        bytes_[at + 1] = static_cast<std::uint8_t>(~sum);
    }

  private:
    std::vector<std::uint8_t> bytes_;
};

struct Station {
    Mac mac;
    Ip ip;
};
constexpr Mac broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

Frame frame_to(const Mac &destination, const Mac &source, std::uint16_t vlan)
{
    Frame frame;
    frame.put(destination);
    frame.put(source);
    if (vlan != 0) {
        frame.put16(ETH_P_8021Q);
        frame.put16(vlan);
    }
    return frame;
}

std::vector<std::uint8_t> arp_frame(const Station &sender, const Station &target,
                                    const Mac &destination, std::uint16_t vlan)
{
    Frame frame = frame_to(destination, sender.mac, vlan);
    frame.put16(ETH_P_ARP);
    frame.put16(1);
    frame.put16(ETH_P_IP);
    frame.put8(6);
    frame.put8(4);
    frame.put16(arp_reply);
    frame.put(sender.mac);
    frame.put(sender.ip);
    frame.put(target.mac);
    frame.put(target.ip);
    return frame.take();
}

// A neighbour advertisement that `owner` might have sent. `flags`: RFC 4861 4.4.
std::vector<std::uint8_t> advertisement_frame(const Station &owner, const Station &to,
                                              unsigned flags, std::uint16_t vlan)
{
    constexpr unsigned size = 32;
    Frame frame = frame_to(to.mac, owner.mac, vlan);
    frame.put16(ETH_P_IPV6);
    frame.put16(0x6000);
    frame.put16(0);
    frame.put16(size);
    frame.put8(IPPROTO_ICMPV6);
    frame.put8(255);
    const std::size_t addresses = frame.size();
    frame.put(owner.ip);
    frame.put(to.ip);
    const std::size_t icmp = frame.size();
    frame.put8(advertisement);
    frame.put8(0);
    frame.put16(0); // checksum
    frame.put8(flags);
    frame.put8(0);
    frame.put16(0);
    frame.put(owner.ip);
    frame.put8(target_option);
    frame.put8(1);
    frame.put(owner.mac);
    frame.checksum(addresses, icmp + 2, size + IPPROTO_ICMPV6);
    return frame.take();
}

} // namespace

std::vector<std::uint8_t> answer_frame(const Heard &request, const Mac &mac)
{
    if (request.ip.is_v4())
        return arp_frame({mac, *request.wanted}, {request.mac, request.ip}, request.mac,
                         request.vlan);
    constexpr unsigned solicited_override = 0x60;
    return advertisement_frame({mac, *request.wanted}, {request.mac, request.ip},
                               solicited_override, request.vlan);
}

std::vector<std::uint8_t> announcement_frame(const Ip &ip, const Mac &mac, std::uint16_t vlan)
{
    // A reply with the sender as its own target. A request would be answered by a host that still
    // has the address, and that answer would claim the address again.
    if (ip.is_v4())
        return arp_frame({mac, ip}, {mac, ip}, broadcast, vlan);
    // It is not known whether the owner is a router. If it is one, hosts would drop their routes by
    // it without the flag (RFC 4861 7.2.5); if it is not, the flag has no effect.
    constexpr unsigned router_override = 0xa0;
    const auto all_nodes = *Ip::parse("ff02::1");
    return advertisement_frame({mac, ip}, {*Mac::parse("33:33:00:00:00:01"), all_nodes},
                               router_override, vlan);
}

std::optional<Heard> parse_frame(std::span<const std::uint8_t> frame)
{
    if (frame.size() < ethernet)
        return std::nullopt;
    const Mac from = mac_at(frame.subspan(6));
    const auto type = read16(frame.subspan(12));
    auto heard = type == ETH_P_ARP    ? parse_arp(from, frame.subspan(ethernet))
                 : type == ETH_P_IPV6 ? parse_nd(from, frame.subspan(ethernet))
                                      : std::nullopt;
    return heard && names_a_host(*heard) ? heard : std::nullopt;
}

Result<Fd> open_snoop(int ifindex)
{
    // With protocol 0 nothing is received until the filter is attached.
    Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket)
        return errno_failure("listen", "ARP", errno);
    constexpr auto pkttype = static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE);
    std::array<sock_filter, 12> code{{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, pkttype),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 9, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 6),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, advertisement, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, solicitation, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 256),
        BPF_STMT(BPF_RET | BPF_K, 0),
    }};
    const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
    const int on = 1;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = ifindex;
    sockaddr generic{};
    static_assert(sizeof(address) >= sizeof(generic));
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0 ||
        ::setsockopt(socket.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
        return errno_failure("listen", "ARP", errno);
    return socket;
}

void read_snoop(const Fd &socket, unsigned most, const std::function<void(const Heard &)> &heard)
{
    for (unsigned i = 0; i < most; i++) {
        std::array<std::uint8_t, 256> frame{};
        alignas(cmsghdr) std::array<char, 256> control{};
        iovec part{frame.data(), frame.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto size = ::recvmsg(socket.get(), &message, 0);
        if (size < 0)
            return;
        auto found = parse_frame(std::span(frame).first(static_cast<std::size_t>(size)));
        if (!found)
            continue;
        for (auto *at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
            if (at->cmsg_level != SOL_PACKET || at->cmsg_type != PACKET_AUXDATA)
                continue;
            tpacket_auxdata aux{};
            std::memcpy(&aux, CMSG_DATA(at), sizeof(aux));
            if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0)
                found->vlan = aux.tp_vlan_tci & 0xfff;
        }
        heard(*found);
    }
}

} // namespace xvtep::agent
