// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xvtep {

// An Ethernet address, in the order of the wire. The default is all zeros.
struct Mac {
    std::array<std::uint8_t, 6> octets{};

    // Accepts six hexadecimal octets of one or two digits, separated by colons, and nothing else.
    static std::optional<Mac> parse(std::string_view text);
    [[nodiscard]] std::string text() const; // "00:1b:2c:3d:4e:5f", lower case
    [[nodiscard]] bool is_zero() const;
    [[nodiscard]] bool is_multicast() const { return octets[0] & 1; } // or broadcast
    auto operator<=>(const Mac &) const = default;
};

} // namespace xvtep
