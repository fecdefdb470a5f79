// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/words.h"

#include <charconv>

#include <fmt/format.h>

namespace xvtep::cli {

Result<std::uint64_t> Values::parse_number(const std::string &what, const std::string &text,
                                           std::uint64_t low, std::uint64_t high) const
{
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    const char *begin = text.data() + (hex ? 2 : 0), *end = text.data() + text.size();
    std::uint64_t value = 0;
    const auto [stop, problem] = std::from_chars(begin, end, value, hex ? 16 : 10);
    if (begin == end || stop != end || problem != std::errc() || value < low || value > high)
        return wrong(fmt::format("{} {} is not within {} to {}", what, text, low, high));
    return value;
}

Result<Ip> Values::ip(const std::string &what, const std::string &text) const
{
    if (const auto ip = Ip::parse(text))
        return *ip;
    return wrong(fmt::format("{} \"{}\" is not an IP address", what, text));
}

Result<Mac> Values::mac(const std::string &what, const std::string &text) const
{
    if (const auto mac = Mac::parse(text))
        return *mac;
    return wrong(fmt::format("{} \"{}\" is not a MAC address", what, text));
}

Result<> Values::assign(std::optional<Ip> &target, const std::string &what,
                        const std::string &text) const
{
    if (!text.empty())
        TRY_SET(target, ip(what, text));
    return {};
}

} // namespace xvtep::cli
