// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/test_frame.h"

#include <linux/if_ether.h>
#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace xvtep {

namespace {

constexpr std::size_t mark_size = 16;
constexpr std::uint16_t experimental = 0x88b5; // IEEE 802, local experimental
constexpr std::uint16_t arp_request = 1, arp_reply = 2;

void put_word(std::vector<std::uint8_t> &bytes, std::uint16_t value)
{
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
    bytes.push_back(static_cast<std::uint8_t>(value));
}

void put_bytes(std::vector<std::uint8_t> &bytes, const std::uint8_t *data, std::size_t size)
{
    bytes.insert(bytes.end(), data, data + size);
}

void put_mac(std::vector<std::uint8_t> &bytes, const Mac &mac)
{
    put_bytes(bytes, mac.octets.data(), mac.octets.size());
}

TestFrame marked(std::vector<std::uint8_t> bytes)
{
    std::vector<std::uint8_t> mark(mark_size);
    if (::getrandom(mark.data(), mark.size(), 0) != static_cast<ssize_t>(mark.size())) {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        std::memcpy(mark.data(), &now, sizeof(now));
    }
    if (bytes.size() + mark.size() < ETH_ZLEN)
        bytes.resize(ETH_ZLEN - mark.size());
    put_bytes(bytes, mark.data(), mark.size());
    return {std::move(bytes), std::move(mark)};
}

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at)
{
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

} // namespace

bool TestFrame::is_in(std::span<const std::uint8_t> other) const
{
    return !std::ranges::search(other, mark).empty();
}

TestFrame make_test_frame(const Mac &destination, const Mac &source,
                          std::optional<std::uint16_t> vlan)
{
    std::vector<std::uint8_t> bytes;
    put_mac(bytes, destination);
    put_mac(bytes, source);
    if (vlan) {
        put_word(bytes, ETH_P_8021Q);
        put_word(bytes, *vlan);
    }
    put_word(bytes, experimental);
    return marked(std::move(bytes));
}

TestFrame make_arp_request(const Mac &source, const Ip &from, const Ip &to)
{
    std::vector<std::uint8_t> bytes(ETH_ALEN, 0xff);
    put_mac(bytes, source);
    put_word(bytes, ETH_P_ARP);
    put_word(bytes, 1); // Ethernet
    put_word(bytes, ETH_P_IP);
    put_word(bytes, ETH_ALEN << 8 | 4);
    put_word(bytes, arp_request);
    put_mac(bytes, source);
    put_bytes(bytes, from.bytes(), from.size());
    put_mac(bytes, Mac{});
    put_bytes(bytes, to.bytes(), to.size());
    return marked(std::move(bytes));
}

std::optional<ArpReply> parse_arp_reply(std::span<const std::uint8_t> frame)
{
    if (frame.size() < ETH_HLEN + 28 || word_at(frame, 2 * ETH_ALEN) != ETH_P_ARP ||
        word_at(frame, ETH_HLEN + 6) != arp_reply)
        return std::nullopt;
    ArpReply reply;
    std::memcpy(reply.mac.octets.data(), &frame[ETH_HLEN + 8], ETH_ALEN);
    reply.ip = Ip::from_bytes(&frame[ETH_HLEN + 14], 4);
    return reply;
}

} // namespace xvtep
