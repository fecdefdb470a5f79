// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xvtep {

// An IPv4 or IPv6 address in network byte order. An IPv4 address is held as the IPv4-mapped IPv6
// address ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), as in the BPF maps. The default is ::.
struct Ip {
    std::array<std::uint8_t, 16> octets{};

    // Accepts what inet_pton(3) accepts, except IPv4-mapped IPv6 text.
    static std::optional<Ip> parse(std::string_view text);
    static Ip v4(std::uint32_t network_order); // in_addr::s_addr
    // Takes 4 or 16 bytes in network byte order; returns :: for any other size.
    static Ip from_bytes(const void *bytes, std::size_t size);
    [[nodiscard]] std::string text() const; // as inet_ntop(3): "10.20.1.3", "fd20::3"
    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_v6() const { return !is_v4(); }
    [[nodiscard]] int family() const; // AF_INET or AF_INET6
    // The address as packets and netlink have it: size() is 4 or 16 bytes.
    [[nodiscard]] const std::uint8_t *bytes() const { return octets.data() + (is_v4() ? 12 : 0); }
    [[nodiscard]] std::size_t size() const { return is_v4() ? 4 : 16; }
    [[nodiscard]] bool is_any() const;        // 0.0.0.0 or ::
    [[nodiscard]] bool is_multicast() const;  // 224.0.0.0/4, ff00::/8
    [[nodiscard]] bool is_loopback() const;   // 127.0.0.0/8, ::1
    [[nodiscard]] bool is_link_local() const; // fe80::/10
    auto operator<=>(const Ip &) const = default;
};

// An address and a prefix length: "10.1.5.1/24". Text without a length is a host prefix. Bits
// behind the length are kept.
struct Prefix {
    Ip address;
    unsigned length = 0; // bits: 0 .. 32 for IPv4, 0 .. 128 for IPv6

    static std::optional<Prefix> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Prefix &) const = default;
};

} // namespace xvtep
