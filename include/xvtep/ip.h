// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xvtep {

// An IPv4 or IPv6 address in network byte order. An IPv4 address is held as the IPv4-mapped
// IPv6 address ::ffff:a.b.c.d (RFC 4291 2.5.5.2), the form in which the BPF maps hold both.
struct Ip {
    std::array<std::uint8_t, 16> octets{};

    static std::optional<Ip> parse(std::string_view text); // mapped text is refused
    static Ip v4(std::uint32_t network_order);
    static Ip from_bytes(const void *bytes, std::size_t size); // size 4 or 16
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_v6() const { return !is_v4(); }
    [[nodiscard]] int family() const; // AF_INET or AF_INET6
    // The address as the wire and netlink want it: 4 or 16 bytes.
    [[nodiscard]] const std::uint8_t *bytes() const { return octets.data() + (is_v4() ? 12 : 0); }
    [[nodiscard]] std::size_t size() const { return is_v4() ? 4 : 16; }
    [[nodiscard]] bool is_any() const; // 0.0.0.0 or ::
    [[nodiscard]] bool is_multicast() const;
    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_link_local() const; // fe80::/10
    auto operator<=>(const Ip &) const = default;
};

// "10.1.5.1/24"; without a length, a host prefix. Host bits are kept.
struct Prefix {
    Ip address;
    unsigned length = 0;

    static std::optional<Prefix> parse(std::string_view text);
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Prefix &) const = default;
};

} // namespace xvtep
