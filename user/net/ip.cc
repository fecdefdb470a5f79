// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace xvtep {

namespace {

constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

} // namespace

std::optional<Ip> Ip::parse(std::string_view text)
{
    if (text.size() >= INET6_ADDRSTRLEN || text.contains('\0'))
        return std::nullopt;
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    std::ranges::copy(text, terminated.begin());
    if (std::uint32_t v4_bytes = 0; inet_pton(AF_INET, terminated.data(), &v4_bytes) == 1)
        return v4(v4_bytes);
    Ip ip;
    if (inet_pton(AF_INET6, terminated.data(), ip.octets.data()) != 1 || ip.is_v4())
        return std::nullopt;
    return ip;
}

Ip Ip::v4(std::uint32_t network_order)
{
    return from_bytes(&network_order, sizeof(network_order));
}

Ip Ip::from_bytes(const void *bytes, std::size_t size)
{
    Ip ip;
    if (size == ip.octets.size()) {
        std::memcpy(ip.octets.data(), bytes, size);
    } else if (size == 4) {
        std::ranges::copy(mapped, ip.octets.begin());
        std::memcpy(ip.octets.data() + mapped.size(), bytes, size);
    }
    return ip;
}

std::string Ip::text() const
{
    std::array<char, INET6_ADDRSTRLEN> line{};
    inet_ntop(family(), bytes(), line.data(), line.size());
    return line.data();
}

bool Ip::is_v4() const
{
    return std::equal(mapped.begin(), mapped.end(), octets.begin());
}

int Ip::family() const
{
    return is_v4() ? AF_INET : AF_INET6;
}

bool Ip::is_any() const
{
    return std::all_of(bytes(), bytes() + size(), [](std::uint8_t octet) { return octet == 0; });
}

bool Ip::is_multicast() const
{
    return is_v4() ? (*bytes() & 0xf0) == 0xe0 : *bytes() == 0xff;
}

bool Ip::is_loopback() const
{
    if (is_v4())
        return *bytes() == 127;
    return octets[15] == 1 && std::all_of(octets.begin(), octets.end() - 1,
                                          [](std::uint8_t octet) { return octet == 0; });
}

bool Ip::is_link_local() const
{
    return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
}

std::optional<Prefix> Prefix::parse(std::string_view text)
{
    const std::size_t slash = text.find('/');
    const std::optional<Ip> address = Ip::parse(text.substr(0, slash));
    if (!address)
        return std::nullopt;
    const auto longest = static_cast<unsigned>(address->size() * 8);
    Prefix prefix{*address, longest};
    if (slash == std::string_view::npos)
        return prefix;

    const std::string_view digits = text.substr(slash + 1);
    const char *const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, prefix.length);
    const bool padded = digits.size() > 1 && digits[0] == '0';
    if (error != std::errc() || end != last || padded || prefix.length > longest)
        return std::nullopt;
    return prefix;
}

std::string Prefix::text() const
{
    return address.text() + "/" + std::to_string(length);
}

} // namespace xvtep
