// SPDX-License-Identifier: GPL-2.0-only
// Describes packets: Ether{...} / Ipv4{...} / Udp{...} / Vxlan{...} / Ether{...} / ...
// Lengths and checksums are computed from the rest of the packet, unless a field gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep::test {

using Bytes = std::vector<std::uint8_t>;

inline void put8(Bytes &out, unsigned value)
{
    out.push_back(static_cast<std::uint8_t>(value));
}
inline void put16(Bytes &out, unsigned value)
{
    put8(out, value >> 8 & 0xff);
    put8(out, value & 0xff);
}
inline void put32(Bytes &out, std::uint32_t value)
{
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}
inline void put(Bytes &out, const Bytes &more)
{
    out.insert(out.end(), more.begin(), more.end());
}
inline void put(Bytes &out, const Ip &ip)
{
    out.insert(out.end(), ip.bytes(), ip.bytes() + ip.size());
}
inline void put(Bytes &out, const Mac &mac)
{
    out.insert(out.end(), mac.octets.begin(), mac.octets.end());
}

inline std::uint32_t sum16(const Bytes &bytes)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i++)
        sum += static_cast<std::uint32_t>(i % 2 != 0U ? bytes[i] : bytes[i] << 8);
    while (sum >> 16 != 0U)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}
inline std::uint16_t internet_checksum(const Bytes &bytes)
{
    return static_cast<std::uint16_t>(~sum16(bytes));
}

// The transport checksum over pseudo-header and segment; 0 if the segment has the right one.
inline std::uint16_t transport_checksum(const Ip &src, const Ip &dst, unsigned proto,
                                        const Bytes &segment)
{
    Bytes all;
    put(all, src);
    put(all, dst);
    put32(all, static_cast<std::uint32_t>(segment.size()));
    put32(all, proto);
    put(all, segment);
    return internet_checksum(all);
}

struct Ether {
    const char *dst = "02:00:00:00:00:02";
    const char *src = "02:00:00:00:00:01";
    unsigned type = 0x0800;
    std::optional<unsigned> vlan{};
};
inline Bytes operator/(const Ether &h, const Bytes &payload)
{
    Bytes out;
    put(out, *Mac::parse(h.dst));
    put(out, *Mac::parse(h.src));
    if (h.vlan) {
        put16(out, 0x8100);
        put16(out, *h.vlan);
    }
    put16(out, h.type);
    put(out, payload);
    return out;
}

struct Ipv4 {
    const char *src = "10.20.1.2";
    const char *dst = "10.20.1.3";
    unsigned proto = 17;
    unsigned tos = 0, ttl = 64, id = 7, fragment = 0;
    std::optional<unsigned> length{};
    bool options = false;
};
inline Bytes operator/(const Ipv4 &h, const Bytes &payload)
{
    Bytes out;
    const std::size_t size = h.options ? 24 : 20;
    put8(out, h.options ? 0x46 : 0x45);
    put8(out, h.tos);
    put16(out, h.length.value_or(static_cast<unsigned>(size + payload.size())));
    put16(out, h.id);
    put16(out, h.fragment);
    put8(out, h.ttl);
    put8(out, h.proto);
    put16(out, 0);
    put(out, *Ip::parse(h.src));
    put(out, *Ip::parse(h.dst));
    if (h.options)
        put32(out, 0x01010100);
    const auto check = internet_checksum(out);
    out[10] = static_cast<std::uint8_t>(check >> 8);
    out[11] = static_cast<std::uint8_t>(check & 0xff);
    put(out, payload);
    return out;
}

struct Ipv6 {
    const char *src = "fd20::2";
    const char *dst = "fd20::3";
    unsigned next = 17;
    unsigned tos = 0, hops = 64;
    std::optional<unsigned> length{};
};
inline Bytes operator/(const Ipv6 &h, const Bytes &payload)
{
    Bytes out;
    put32(out, 6U << 28 | h.tos << 20);
    put16(out, h.length.value_or(static_cast<unsigned>(payload.size())));
    put8(out, h.next);
    put8(out, h.hops);
    put(out, *Ip::parse(h.src));
    put(out, *Ip::parse(h.dst));
    put(out, payload);
    return out;
}

// The checksum is 0 unless the addresses for it are given.
struct Udp {
    unsigned src = 50000, dst = 4789;
    std::optional<unsigned> length{};
    const char *from = nullptr, *to = nullptr;
};
inline Bytes operator/(const Udp &h, const Bytes &payload)
{
    Bytes out;
    put16(out, h.src);
    put16(out, h.dst);
    put16(out, h.length.value_or(static_cast<unsigned>(8 + payload.size())));
    put16(out, 0);
    put(out, payload);
    if (h.from != nullptr) {
        const auto check = transport_checksum(*Ip::parse(h.from), *Ip::parse(h.to), 17, out);
        out[6] = static_cast<std::uint8_t>(check >> 8);
        out[7] = static_cast<std::uint8_t>(check & 0xff);
    }
    return out;
}

struct Vxlan {
    std::uint32_t vni = 42;
    std::uint32_t flags = 0x08000000;
    unsigned reserved = 0;
};
inline Bytes operator/(const Vxlan &h, const Bytes &payload)
{
    Bytes out;
    put32(out, h.flags);
    put32(out, h.vni << 8 | h.reserved);
    put(out, payload);
    return out;
}

inline Bytes payload(std::size_t size)
{
    Bytes out;
    for (std::size_t i = 0; i < size; i++)
        put8(out, i * 7 & 0xff);
    return out;
}

inline Bytes arp_request()
{
    Bytes out;
    put32(out, 0x00010800);
    put32(out, 0x06040001);
    put(out, *Mac::parse("02:00:00:00:00:01"));
    put(out, *Ip::parse("10.20.1.2"));
    put(out, Bytes(6, 0));
    put(out, *Ip::parse("10.20.1.3"));
    return out;
}

// The first lines that differ, as "00: 02 00 … | 02 00 …".
inline std::string difference(const Bytes &got, const Bytes &want)
{
    std::string text =
        "got " + std::to_string(got.size()) + " bytes, want " + std::to_string(want.size()) + "\n";
    const auto hex = [](const Bytes &bytes, std::size_t at) {
        std::string line;
        for (std::size_t i = at; i < at + 16; i++) {
            static const char *digits = "0123456789abcdef";
            line += i < bytes.size()
                        ? std::string{digits[bytes[i] >> 4], digits[bytes[i] & 15], ' '}
                        : "-- ";
        }
        return line;
    };
    for (std::size_t at = 0; at < got.size() || at < want.size(); at += 16)
        if (hex(got, at) != hex(want, at))
            text += std::to_string(at) + ": " + hex(got, at) + "| " + hex(want, at) + "\n";
    return text;
}

} // namespace xvtep::test
