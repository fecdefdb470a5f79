// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/mac.h"

#include <algorithm>
#include <charconv>

namespace xvtep {

std::optional<Mac> Mac::parse(std::string_view text)
{
    Mac mac;
    for (std::size_t i = 0; i < mac.octets.size(); i++) {
        if (i > 0) {
            if (!text.starts_with(':'))
                return std::nullopt;
            text.remove_prefix(1);
        }
        const std::size_t digits = std::min(text.find(':'), text.size());
        if (digits < 1 || digits > 2)
            return std::nullopt;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + digits, mac.octets[i], 16);
        if (error != std::errc() || end != text.data() + digits)
            return std::nullopt;
        text.remove_prefix(digits);
    }
    if (!text.empty())
        return std::nullopt;
    return mac;
}

std::string Mac::text() const
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(17, ':'); // a million times for a large table
    for (std::size_t i = 0; i < octets.size(); i++) {
        text[i * 3] = digits[octets[i] >> 4];
        text[i * 3 + 1] = digits[octets[i] & 0xf];
    }
    return text;
}

bool Mac::is_zero() const
{
    return octets == std::array<std::uint8_t, 6>{};
}

} // namespace xvtep
