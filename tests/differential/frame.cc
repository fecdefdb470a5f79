// SPDX-License-Identifier: GPL-2.0-only
#include "tests/differential/frame.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace xvtep::differential {
namespace {

constexpr std::array<const char *, sides> names{"wire", "c0", "c1", "c2", "trunk", "host"};

std::uint32_t add(View bytes, std::uint32_t sum)
{
    std::uint64_t wide = sum;
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2)
        wide += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    if (i < bytes.size())
        wide += static_cast<std::uint32_t>(bytes[i] << 8);
    while ((wide >> 16) != 0)
        wide = (wide & 0xffff) + (wide >> 16);
    return static_cast<std::uint32_t>(wide);
}

// The pseudo-header and the segment of `size` bytes.
std::uint32_t udp_sum(View frame, const Headers &at, std::size_t size)
{
    const std::size_t from = at.network + (at.v4 ? 12 : 8), both = at.v4 ? 8 : 32;
    const std::uint32_t sum = add(frame.subspan(from, both), static_cast<std::uint32_t>(size) + 17);
    return add(frame.subspan(at.transport, size), sum);
}

bool has_udp(View frame, const Headers &at)
{
    return at.transport != 0 && at.protocol == 17 && !at.later_fragment &&
           at.transport + 8 <= frame.size();
}

// An error message of ICMP that the VTEP itself has made: its IP id is its own.
void normal_icmp(Bytes &frame, const Headers &at)
{
    if (!at.v4 || at.protocol != 1 || at.transport == 0 || at.transport >= frame.size() ||
        frame[at.transport] != 3)
        return;
    set16(frame, at.network + 4, 0);
    set16(frame, at.network + 10, 0);
}

} // namespace

const char *side_name(Side side)
{
    return names[static_cast<std::size_t>(side)];
}

std::optional<Side> side_of_name(const std::string &name)
{
    for (std::size_t i = 0; i < sides; i++)
        if (name == names[i])
            return static_cast<Side>(i);
    return std::nullopt;
}

unsigned get16(View frame, std::size_t at)
{
    return at + 2 <= frame.size() ? static_cast<unsigned>(frame[at] << 8 | frame[at + 1]) : 0;
}

void set16(Bytes &frame, std::size_t at, unsigned value)
{
    if (at + 2 > frame.size())
        return;
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t checksum(View bytes, std::uint32_t sum)
{
    return static_cast<std::uint16_t>(~add(bytes, sum));
}

Headers headers(View frame)
{
    Headers at{.type = get16(frame, 12), .network = 14};
    while ((at.type == 0x8100 || at.type == 0x88a8) && at.network + 4 <= frame.size()) {
        at.type = get16(frame, at.network + 2);
        at.network += 4;
        at.tags++;
    }
    if (at.type == 0x0800 && frame.size() >= at.network + 20) {
        at.v4 = true;
        at.tos = frame[at.network + 1];
        at.protocol = frame[at.network + 9];
        at.transport = at.network + static_cast<std::size_t>(frame[at.network] & 15) * 4;
        const unsigned fragment = get16(frame, at.network + 6);
        at.fragment = (fragment & 0x3fff) != 0;
        at.later_fragment = (fragment & 0x1fff) != 0;
    } else if (at.type == 0x86dd && frame.size() >= at.network + 40) {
        at.v6 = true;
        at.tos = (frame[at.network] & 15U) << 4 | frame[at.network + 1] >> 4;
        at.protocol = frame[at.network + 6];
        at.transport = at.network + 40;
        if (at.protocol == 44 && at.transport + 8 <= frame.size()) {
            at.fragment = true;
            at.later_fragment = (get16(frame, at.transport + 2) & 0xfff8) != 0;
            at.protocol = frame[at.transport];
            at.transport += 8;
        }
    }
    if (at.transport > frame.size())
        at.transport = 0;
    return at;
}

std::optional<Tunnel> tunnel(View frame, unsigned port)
{
    Tunnel t{.outer = headers(frame)};
    const Headers &o = t.outer;
    if (!has_udp(frame, o) || get16(frame, o.transport + 2) != port ||
        o.transport + 16 > frame.size())
        return std::nullopt;
    t.ip = o.network;
    t.udp = o.transport;
    t.vxlan = t.udp + 8;
    t.inner = t.vxlan + 8;
    t.flags = get16(frame, t.vxlan) << 16 | get16(frame, t.vxlan + 2);
    t.vni = get16(frame, t.vxlan + 4) << 8 | frame[t.vxlan + 6];
    t.in = headers(frame.subspan(t.inner));
    return t;
}

bool header_checksum_right(View frame, const Headers &at)
{
    const std::size_t size = static_cast<std::size_t>(frame[at.network] & 15) * 4;
    return size >= 20 && at.network + size <= frame.size() &&
           checksum(frame.subspan(at.network, size)) == 0;
}

bool udp_checksum_right(View frame, const Headers &at)
{
    const std::size_t size = get16(frame, at.transport + 4);
    if (!has_udp(frame, at) || size < 8 || at.transport + size > frame.size())
        return false;
    return add({}, udp_sum(frame, at, size)) == 0xffff;
}

void fix_ipv4_checksum(Bytes &frame, std::size_t ip)
{
    if (ip + 20 > frame.size())
        return;
    const std::size_t size = std::clamp<std::size_t>((frame[ip] & 15U) * 4, 20, frame.size() - ip);
    set16(frame, ip + 10, 0);
    set16(frame, ip + 10, checksum(View(frame).subspan(ip, size)));
}

void fix_udp_checksum(Bytes &frame, const Headers &at)
{
    const std::size_t size = get16(frame, at.transport + 4);
    if (!has_udp(frame, at) || size < 8 || at.transport + size > frame.size())
        return;
    set16(frame, at.transport + 6, 0);
    const auto sum = static_cast<std::uint16_t>(~add({}, udp_sum(frame, at, size)));
    set16(frame, at.transport + 6, sum != 0 ? sum : 0xffff);
}

Seen normal(Side side, Bytes bytes)
{
    Seen seen{.side = side, .frame = std::move(bytes)};
    Bytes &frame = seen.frame;
    const Headers at = headers(frame);
    if (side != Side::wire) {
        normal_icmp(frame, at);
        return seen;
    }
    if (at.v4) {
        if (!header_checksum_right(frame, at))
            seen.wrong += "outer IPv4 header checksum is wrong; ";
        set16(frame, at.network + 4, 0);
        set16(frame, at.network + 10, 0);
    } else if (at.v6 && at.fragment) {
        set16(frame, at.transport - 4, 0);
        set16(frame, at.transport - 2, 0);
    }
    if (!has_udp(frame, at))
        return seen;
    seen.source_port = static_cast<std::uint16_t>(get16(frame, at.transport));
    if (get16(frame, at.transport + 6) != 0) {
        if (!at.fragment && !udp_checksum_right(frame, at))
            seen.wrong += "outer UDP checksum is wrong; ";
        set16(frame, at.transport + 6, 0xffff);
    }
    set16(frame, at.transport, 0);
    return seen;
}

std::vector<Bytes> segments(const Bytes &frame, std::size_t size)
{
    const Headers at = headers(frame);
    const bool tcp = at.protocol == 6;
    if (at.transport == 0 || at.fragment || (!tcp && at.protocol != 17) ||
        frame.size() < at.transport + (tcp ? 20 : 8))
        return {frame};
    const std::size_t l4 = tcp ? static_cast<std::size_t>(frame[at.transport + 12] >> 4) * 4 : 8;
    const std::size_t begin = at.transport + l4;
    if (begin > frame.size())
        return {frame};
    std::vector<Bytes> list;
    std::size_t done = begin;
    do {
        const std::size_t left = frame.size() - done,
                          part = size == 0 ? left : std::min(size, left);
        const bool first = list.empty(), last = part == left;
        Bytes one(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(begin));
        one.insert(one.end(), frame.begin() + static_cast<std::ptrdiff_t>(done),
                   frame.begin() + static_cast<std::ptrdiff_t>(done + part));
        if (at.v4) {
            set16(one, at.network + 2, static_cast<unsigned>(one.size() - at.network));
            set16(one, at.network + 4,
                  (get16(frame, at.network + 4) + static_cast<unsigned>(list.size())) & 0xffff);
            fix_ipv4_checksum(one, at.network);
        } else {
            set16(one, at.network + 4, static_cast<unsigned>(one.size() - at.network - 40));
        }
        std::size_t sum_at = at.transport + 6;
        if (tcp) {
            const std::size_t seq_at = at.transport + 4;
            const std::uint32_t seq = (get16(frame, seq_at) << 16 | get16(frame, seq_at + 2)) +
                                      static_cast<std::uint32_t>(done - begin);
            set16(one, seq_at, seq >> 16);
            set16(one, seq_at + 2, seq & 0xffff);
            if (!first) // CWR is of the first, FIN and PSH of the last
                one[at.transport + 13] &= 0x7f;
            if (!last)
                one[at.transport + 13] &= 0xf6;
            sum_at = at.transport + 16;
        } else {
            set16(one, at.transport + 4, static_cast<unsigned>(8 + part));
        }
        set16(one, sum_at, 0);
        const std::size_t from = at.network + (at.v4 ? 12 : 8), both = at.v4 ? 8 : 32;
        const std::size_t segment = one.size() - at.transport;
        std::uint32_t sum =
            add(View(one).subspan(from, both), static_cast<std::uint32_t>(segment) + at.protocol);
        sum = add(View(one).subspan(at.transport), sum);
        const auto folded = static_cast<std::uint16_t>(~sum);
        set16(one, sum_at, folded == 0 && !tcp ? 0xffff : folded);
        list.push_back(std::move(one));
        done += part;
    } while (done < frame.size());
    return list;
}

std::string hex(View frame)
{
    std::string text;
    text.reserve(frame.size() * 2);
    for (const std::uint8_t byte : frame)
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    return text;
}

Bytes from_hex(const std::string &text)
{
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    return bytes;
}

} // namespace xvtep::differential
