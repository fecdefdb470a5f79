// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/words.h"

#include <algorithm>
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

Result<> Values::assign(OrInherit &target, const std::string &what, const std::string &text) const
{
    if (text == "inherit") {
        target = {.value = 0, .inherit = true};
    } else if (!text.empty()) {
        // iproute2 reads a TOS as hexadecimal, with 0x or without.
        const bool hex = what == "tos" && !text.starts_with("0x") && !text.starts_with("0X");
        const auto value = number<std::uint8_t>(what, hex ? "0x" + text : text, 0, 255);
        if (!value)
            return wrong(fmt::format("{} {} is not within 0 to 255 nor \"inherit\"", what, text));
        target = {.value = *value, .inherit = false};
    }
    return {};
}

Result<Tail> parse_tail(const std::string &command, const Words &words,
                        std::initializer_list<std::string> keywords, const Context &context,
                        const std::string &usage, std::size_t most_plain)
{
    Tail tail;
    const auto wrong = [&](const std::string &cause) { return usage_failure(command, "", cause); };
    for (std::size_t at = 0; at < words.size(); at++) {
        const std::string &word = words[at];
        if (word == "help" || word == "-h" || word == "--help") {
            context.print("Usage: " + usage + "\n");
            tail.helped = true;
            return tail;
        }
        const bool bare = std::ranges::count(keywords, word + "!") != 0;
        if (!bare && std::ranges::count(keywords, word) == 0) {
            if (tail.plain.size() == most_plain)
                return wrong(fmt::format("what is \"{}\"? (usage: {})", word, usage));
            tail.plain.push_back(word);
            continue;
        }
        if (tail.has(word))
            return wrong(fmt::format("{} is given twice", word));
        if (!bare && (++at == words.size() || words[at].empty()))
            return wrong(fmt::format("{} needs a value", word));
        tail.values[word] = bare ? "" : words[at];
    }
    return tail;
}

} // namespace xvtep::cli
