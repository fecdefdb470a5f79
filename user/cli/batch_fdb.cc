// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/batch_fdb.h"

#include <algorithm>
#include <charconv>
#include <span>

#include "user/base/parallel.h"
#include "xvtep/option.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {
namespace {

bool is_special(char c)
{
    return c == '"' || c == '\'' || c == '\\' || c == '#';
}

// Takes the next word off the text. The loops are by hand for speed: find_first_of() calls memchr()
// for every letter, and the compiler does not inline is_blank() into <algorithm>.
std::string_view next_word(std::string_view &text)
{
    std::size_t from = 0;
    while (from < text.size() && is_blank(text[from]))
        from++;
    std::size_t to = from;
    while (to < text.size() && !is_blank(text[to]))
        to++;
    const auto word = text.substr(from, to - from);
    text.remove_prefix(to);
    return word;
}

// Decimal alone; all else is left to the parser of words.
bool read_vni(std::string_view text, std::uint32_t &vni)
{
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), vni);
    return problem == std::errc() && stop == text.data() + text.size() && vni != 0 &&
           vni <= vni_max;
}

// Takes "fdb add" or "fdb replace" off the line.
std::optional<FdbVerb> next_verb(std::string_view &text)
{
    if (next_word(text) != "fdb")
        return std::nullopt;
    const auto word = next_word(text);
    return word == "add"       ? std::optional(FdbVerb::add)
           : word == "replace" ? std::optional(FdbVerb::replace)
                               : std::nullopt;
}

} // namespace

std::optional<std::pair<FdbVerb, FdbEntry>> parse_fdb_line(std::string_view text)
{
    if (std::ranges::any_of(text, [](char c) { return is_special(c); }))
        return std::nullopt;
    const auto verb = next_verb(text);
    if (!verb)
        return std::nullopt;
    const auto mac = Mac::parse(next_word(text));
    if (!mac || next_word(text) != "dev")
        return std::nullopt;
    const auto device = next_word(text);
    if (!is_interface_name(device) || next_word(text) != "dst")
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
        if (word == "src_vni" && entry.src_vni == 0) {
            if (!read_vni(next_word(text), entry.src_vni))
                return std::nullopt;
            continue;
        }
        const bool is_self = word == "self";
        if ((!is_self && word != "static" && word != "permanent") ||
            std::exchange(is_self ? has_self : has_state, true))
            return std::nullopt;
        if (word == "static")
            entry.state = FdbState::static_;
    }
    return std::pair(*verb, std::move(entry));
}

bool FdbLines::take(std::string_view text, unsigned line)
{
    const bool full = ends_.size() >= most || text_.size() >= most_text;
    auto rest = text;
    if (full || !next_verb(rest) || text.ends_with('\\')) // which goes on in the next
        return false;
    text_ += text;
    ends_.push_back(text_.size());
    lines_.push_back(line);
    return true;
}

std::string_view FdbLines::text_of(std::size_t index) const
{
    const std::size_t from = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(from, ends_[index] - from);
}

void FdbLines::parse()
{
    constexpr std::size_t worth = 1024;
    entries_.resize(ends_.size());
    verbs_.assign(ends_.size(), std::nullopt);
    side_by_side(ends_.size(), parts_of(ends_.size(), worth),
                 [&](std::size_t, std::size_t from, std::size_t to) {
                     for (std::size_t n = from; n < to; n++)
                         if (auto parsed = parse_fdb_line(text_of(n))) {
                             verbs_[n] = parsed->first;
                             entries_[n] = std::move(parsed->second);
                         }
                 });
}

std::optional<FdbLines::Stopped> FdbLines::write()
{
    if (verbs_.empty())
        parse();
    while (at_ < verbs_.size()) {
        const auto verb = verbs_[at_];
        if (!verb) {
            Stopped stopped{lines_[at_], std::nullopt, std::string(text_of(at_))};
            at_++;
            return stopped;
        }
        std::size_t count = 1;
        while (count < at_once_ && at_ + count < verbs_.size() && verbs_[at_ + count] == verb)
            count++;
        const auto done = write_fdb(*verb, std::span(entries_).subspan(at_, count));
        at_ += done.written;
        at_once_ = done.result ? std::min(2 * at_once_, most) : 1;
        if (!done.result)
            return Stopped{lines_[at_++], done.result.error(), {}};
    }
    text_.clear();
    ends_.clear();
    lines_.clear();
    verbs_.clear();
    at_ = 0;
    return std::nullopt;
}

} // namespace xvtep::cli
