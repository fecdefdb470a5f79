// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/batch_fdb.h"

#include <algorithm>

namespace xvtep::cli {
namespace {

bool is_special(char c)
{
    return c == '"' || c == '\'' || c == '\\' || c == '#';
}

// Not by find_first_of(), which calls memchr() for every letter.
std::string_view next_word(std::string_view &text)
{
    const auto *const begin = std::ranges::find_if_not(text, is_blank);
    const auto *const end = std::find_if(begin, text.end(), is_blank);
    const std::string_view word(begin, end);
    text = {end, text.end()};
    return word;
}

} // namespace

std::optional<std::pair<FdbVerb, FdbEntry>> parse_fdb_line(std::string_view text)
{
    if (std::ranges::any_of(text, is_special) || next_word(text) != "fdb")
        return std::nullopt;
    const auto verb = next_word(text);
    if (verb != "add" && verb != "replace")
        return std::nullopt;
    const auto mac = Mac::parse(next_word(text));
    if (!mac || next_word(text) != "dev")
        return std::nullopt;
    const auto device = next_word(text);
    if (device.empty() || next_word(text) != "dst")
        return std::nullopt;
    const auto dst = Ip::parse(next_word(text));
    if (!dst)
        return std::nullopt;
    FdbEntry entry;
    entry.mac = *mac;
    entry.device = device;
    entry.dst = *dst;
    bool has_state = false, has_self = false;
    for (auto word = next_word(text); !word.empty(); word = next_word(text)) {
        const bool is_self = word == "self";
        if ((!is_self && word != "static" && word != "permanent") ||
            std::exchange(is_self ? has_self : has_state, true))
            return std::nullopt;
        if (word == "static")
            entry.state = FdbState::fixed;
    }
    return std::pair(verb == "add" ? FdbVerb::add : FdbVerb::replace, std::move(entry));
}

bool FdbLines::take(std::string_view text, unsigned line)
{
    auto parsed = parse_fdb_line(text);
    if (!parsed || full() || (!empty() && parsed->first != verb_))
        return false;
    verb_ = parsed->first;
    entries_.push_back(std::move(parsed->second));
    lines_.push_back(line);
    return true;
}

std::optional<FdbLines::Failed> FdbLines::write()
{
    std::size_t written = 0;
    const auto done = write_fdb(verb_, entries_, written);
    std::optional<Failed> failed;
    if (!done)
        failed = Failed{lines_[written++], done.error()};
    const auto count = static_cast<std::ptrdiff_t>(written);
    entries_.erase(entries_.begin(), entries_.begin() + count);
    lines_.erase(lines_.begin(), lines_.begin() + count);
    return failed;
}

} // namespace xvtep::cli
