// SPDX-License-Identifier: GPL-2.0-only
#include "tests/conformance/frames.h"

#include <algorithm>

#include <fmt/format.h>

namespace xvtep::conformance {
namespace {

unsigned get16(const Bytes &frame, std::size_t at)
{
    return at + 2 <= frame.size() ? static_cast<unsigned>(frame[at] << 8 | frame[at + 1]) : 0;
}

void set16(Bytes &frame, std::size_t at, unsigned value)
{
    if (at + 2 > frame.size())
        return;
    frame[at] = static_cast<std::uint8_t>(value >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

Bytes slice(const Bytes &frame, std::size_t from, std::size_t size)
{
    const std::size_t begin = std::min(from, frame.size());
    const std::size_t end = std::min(begin + size, frame.size());
    return {frame.begin() + static_cast<std::ptrdiff_t>(begin),
            frame.begin() + static_cast<std::ptrdiff_t>(end)};
}

struct Place {
    unsigned type = 0, protocol = 0;
    std::size_t network = 0, transport = 0;
    bool fragment = false, later_fragment = false;
};

Place place(const Bytes &frame)
{
    Place at{.network = 14};
    at.type = get16(frame, 12);
    while ((at.type == 0x8100 || at.type == 0x88a8) && at.network + 4 <= frame.size()) {
        at.type = get16(frame, at.network + 2);
        at.network += 4;
    }
    if (at.type == 0x0800 && frame.size() >= at.network + 20) {
        at.protocol = frame[at.network + 9];
        at.transport = at.network + static_cast<std::size_t>(frame[at.network] & 15) * 4;
        const unsigned fragment = get16(frame, at.network + 6);
        at.fragment = (fragment & 0x3fff) != 0;
        at.later_fragment = (fragment & 0x1fff) != 0;
    } else if (at.type == 0x86dd && frame.size() >= at.network + 40) {
        at.protocol = frame[at.network + 6];
        at.transport = at.network + 40;
        if (at.protocol == 44) {
            at.fragment = true;
            at.later_fragment = (get16(frame, at.transport + 2) & 0xfff8) != 0;
            at.protocol = at.transport < frame.size() ? frame[at.transport] : 0;
            at.transport += 8;
        }
    }
    return at;
}

// Whether the IPv4 header's sum is right.
bool header_sum_right(const Bytes &frame, const Place &at)
{
    return test::sum16(slice(frame, at.network, at.transport - at.network)) == 0xffff;
}

bool udp_sum_right(const Bytes &frame, const Place &at)
{
    const std::size_t addresses = at.type == 0x0800 ? 4 : 16;
    const std::size_t source = at.network + (at.type == 0x0800 ? 12 : 8);
    const Bytes src = slice(frame, source, addresses);
    const Bytes dst = slice(frame, source + addresses, addresses);
    const Bytes segment = slice(frame, at.transport, get16(frame, at.transport + 4));
    return test::transport_checksum(Ip::from_bytes(src.data(), src.size()),
                                    Ip::from_bytes(dst.data(), dst.size()), 17, segment) == 0;
}

} // namespace

Normal normal_inner(Bytes frame)
{
    Normal normal{.frame = std::move(frame)};
    const Place at = place(normal.frame);
    if (at.transport == 0)
        return normal;
    if (at.type == 0x0800 && !header_sum_right(normal.frame, at))
        normal.wrong += "IPv4 header checksum is wrong; ";
    if (at.type == 0x0800 && at.protocol == 1) {
        set16(normal.frame, at.network + 4, 0);
        set16(normal.frame, at.network + 10, 0);
        const std::size_t size = get16(normal.frame, at.network + 2) - (at.transport - at.network);
        if (!at.fragment && test::sum16(slice(normal.frame, at.transport, size)) != 0xffff)
            normal.wrong += "ICMP checksum is wrong; ";
    }
    return normal;
}

Normal normal_wire(Bytes frame)
{
    Normal normal{.frame = std::move(frame)};
    const Place at = place(normal.frame);
    if (at.transport == 0)
        return normal;
    if (at.type == 0x0800) {
        if (!header_sum_right(normal.frame, at))
            normal.wrong += "outer IPv4 header checksum is wrong; ";
        set16(normal.frame, at.network + 4, 0);
        set16(normal.frame, at.network + 10, 0);
    } else if (at.fragment) {
        set16(normal.frame, at.transport - 4, 0);
        set16(normal.frame, at.transport - 2, 0);
    }
    if (at.protocol != 17 || at.later_fragment)
        return normal;
    normal.source_port = get16(normal.frame, at.transport);
    if (get16(normal.frame, at.transport + 6) != 0) {
        if (!at.fragment && !udp_sum_right(normal.frame, at))
            normal.wrong += "outer UDP checksum is wrong; ";
        set16(normal.frame, at.transport + 6, 0xffff);
    }
    set16(normal.frame, at.transport, 0);
    // A tunnelled packet of the host's own has an id of its own as well.
    const std::size_t inner = at.transport + 16;
    if (!at.fragment && inner + 14 < normal.frame.size()) {
        Normal inside = normal_inner(
            Bytes(normal.frame.begin() + static_cast<std::ptrdiff_t>(inner), normal.frame.end()));
        std::ranges::copy(inside.frame, normal.frame.begin() + static_cast<std::ptrdiff_t>(inner));
        normal.wrong += inside.wrong;
    }
    return normal;
}

bool is_underlay_udp(const Bytes &frame)
{
    const Place at = place(frame);
    return at.transport != 0 && at.protocol == 17;
}

std::string hex(const Bytes &frame)
{
    std::string text;
    for (std::size_t i = 0; i < frame.size(); i++)
        text += fmt::format("{}{:02x}", i == 0 ? "" : i % 16 == 0 ? "\n" : " ", frame[i]);
    return text;
}

} // namespace xvtep::conformance
