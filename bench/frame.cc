// SPDX-License-Identifier: GPL-2.0-only
#include "bench/frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bpf/abi/wire.h"
#include "xvtep/ip.h"

namespace xvtep::bench {
namespace {

std::uint16_t checksum(const std::uint8_t *bytes, std::size_t size)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~(sum + (sum >> 16)));
}

template <class Header> void append(Frame &frame, const Header &header)
{
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(&header);
    frame.insert(frame.end(), bytes, bytes + sizeof(header));
}

void append_headers(Frame &frame, const Mac &to, const Mac &from, const char *from_ip,
                    const char *to_ip, std::uint16_t from_port, std::uint16_t to_port,
                    std::size_t payload)
{
    ethhdr eth{};
    std::ranges::copy(to.octets, eth.h_dest);
    std::ranges::copy(from.octets, eth.h_source);
    eth.h_proto = htons(ETH_P_IP);
    append(frame, eth);
    iphdr header{};
    header.version = 4;
    header.ihl = 5;
    header.tot_len = htons(static_cast<std::uint16_t>(sizeof(iphdr) + sizeof(udphdr) + payload));
    header.ttl = 64;
    header.protocol = IPPROTO_UDP;
    std::memcpy(&header.saddr, Ip::parse(from_ip)->bytes(), 4);
    std::memcpy(&header.daddr, Ip::parse(to_ip)->bytes(), 4);
    header.check = htons(checksum(reinterpret_cast<const std::uint8_t *>(&header), sizeof(header)));
    append(frame, header);
    udphdr udp{};
    udp.source = htons(from_port);
    udp.dest = htons(to_port);
    udp.len = htons(static_cast<std::uint16_t>(sizeof(udphdr) + payload));
    append(frame, udp);
}

constexpr std::size_t headers = sizeof(ethhdr) + sizeof(iphdr) + sizeof(udphdr);

} // namespace

Frame plain_frame(const Mac &to, const Mac &from, const char *from_ip, const char *to_ip,
                  std::size_t size)
{
    Frame frame;
    append_headers(frame, to, from, from_ip, to_ip, 1000, 2000, size - headers);
    while (frame.size() < size)
        frame.push_back(static_cast<std::uint8_t>(frame.size() * 7));
    return frame;
}

Frame marked(Frame frame, std::uint32_t number, std::uint32_t of_vni, std::size_t skip)
{
    const std::uint32_t words[] = {htonl(number), htonl(of_vni)};
    std::memcpy(frame.data() + skip + headers, words, sizeof(words));
    return frame;
}

std::uint32_t number_of(const Frame &frame, std::size_t skip)
{
    std::uint32_t word = 0;
    if (frame.size() < skip + headers + sizeof(word))
        return ~0U;
    std::memcpy(&word, frame.data() + skip + headers, sizeof(word));
    return ntohl(word);
}

Frame in_vxlan(const Frame &inner, const Mac &to, std::uint32_t of_vni)
{
    Frame frame;
    append_headers(frame, to, Mac{{2, 0, 0, 0, 0, 1}}, there, here, 50000, XV_VXLAN_PORT,
                   sizeof(xv_vxlan_header) + inner.size());
    xv_vxlan_header vxlan{};
    vxlan.flags = htonl(XV_VXLAN_FLAG_VNI);
    vxlan.vni = htonl(of_vni << 8);
    append(frame, vxlan);
    frame.insert(frame.end(), inner.begin(), inner.end());
    return frame;
}

std::string difference(const Frame &got, const Frame &wanted)
{
    if (got.size() != wanted.size())
        return fmt::format("{} bytes where {} should be", got.size(), wanted.size());
    const auto [a, b] = std::ranges::mismatch(got, wanted);
    if (a == got.end())
        return "";
    return fmt::format("byte {} is {:#04x} where {:#04x} should be", a - got.begin(), *a, *b);
}

std::string wrong_vxlan(const Frame &got, const Frame &inner, const std::string &to)
{
    static_assert(outer_size == headers + sizeof(xv_vxlan_header));
    if (got.size() != outer_size + inner.size())
        return fmt::format("{} bytes where {} should be", got.size(), outer_size + inner.size());
    const std::uint8_t *bytes = got.data() + sizeof(ethhdr);
    if (bytes[0] != 0x45 || checksum(bytes, sizeof(iphdr)) != 0)
        return "a wrong IPv4 header outside";
    if (std::memcmp(bytes + 12, Ip::parse(here)->bytes(), 4) != 0 ||
        std::memcmp(bytes + 16, Ip::parse(to)->bytes(), 4) != 0)
        return "wrong addresses outside";
    udphdr udp{};
    std::memcpy(&udp, bytes + sizeof(iphdr), sizeof(udp));
    if (udp.dest != htons(XV_VXLAN_PORT) || udp.check != 0 ||
        ntohs(udp.len) != sizeof(udp) + sizeof(xv_vxlan_header) + inner.size())
        return "a wrong UDP header outside";
    xv_vxlan_header vxlan{};
    std::memcpy(&vxlan, got.data() + headers, sizeof(vxlan));
    if (vxlan.flags != htonl(XV_VXLAN_FLAG_VNI) || vxlan.vni != htonl(vni << 8))
        return "a wrong VXLAN header";
    return difference({got.begin() + outer_size, got.end()}, inner);
}

} // namespace xvtep::bench
