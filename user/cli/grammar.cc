// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/grammar.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

constexpr std::size_t shortest_abbreviation = 2; // letters, of a keyword

struct Match {
    const Word *word;
    bool negated;
};

std::size_t value_count(const Word &word)
{
    if (word.value.empty())
        return 0;
    return static_cast<std::size_t>(std::ranges::count(word.value, ' ')) + 1;
}

// '_' is as good as '-': `src_vni` of `bridge fdb` has the one, our own words have the other.
bool is_same(std::string_view typed, std::string_view name)
{
    const auto plain = [](char c) { return c == '_' ? '-' : c; };
    return !name.empty() && std::ranges::equal(typed, name, {}, plain, plain);
}

std::optional<Match> find_exact(const Page &page, std::string_view typed)
{
    const auto is = [](const Word &word, std::string_view text) {
        return is_same(text, word.word) || is_same(text, word.alias);
    };
    for (const Word &word : page.words)
        if (is(word, typed))
            return Match{&word, false};
    if (typed.starts_with("no"))
        for (const Word &word : page.words)
            if (word.negatable && is(word, typed.substr(2)))
                return Match{&word, true};
    return std::nullopt;
}

// As iproute2's matches(): the first keyword that begins with what was typed.
std::optional<Match> find_abbreviated(const Page &page, std::string_view typed)
{
    if (typed.size() < shortest_abbreviation)
        return std::nullopt;
    for (const Word &word : page.words)
        if (word.word.starts_with(typed))
            return Match{&word, false};
    for (const Word &word : page.words)
        if (word.negatable && ("no" + word.word).starts_with(typed) && typed.size() > 2)
            return Match{&word, true};
    return std::nullopt;
}

// "local (lo)" for an abbreviation, else the word as it was typed.
std::string full_name(const Match &match, const std::string &typed)
{
    const std::string whole = (match.negated ? "no" : "") + match.word->word;
    return !typed.starts_with("--") && whole != typed && whole.starts_with(typed)
               ? fmt::format("{} ({})", whole, typed)
               : typed;
}

std::vector<std::string> names_of(const Page &page)
{
    std::vector<std::string> names;
    for (const Word &word : page.words) {
        names.push_back(word.word);
        if (word.negatable)
            names.push_back("no" + word.word);
    }
    return names;
}

// The name of the plain word: "DEV" of "[[dev] DEV]".
std::string plain_name(const Page &page)
{
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    const auto from = std::ranges::find_if(page.plain, is_upper);
    const auto to = std::find_if_not(from, page.plain.end(), is_upper);
    return from == to ? "a word" : std::string(from, to);
}

bool is_device_word(const Word &word)
{
    return word.value == "DEV" || word.value == "IFNAME" || word.value == "BR";
}

bool is_dashed(const std::string &word)
{
    return word.size() > 1 && word.starts_with('-');
}

// Reads the words of one command.
class Parser {
  public:
    Parser(const Page &page, const Words &words) : page_(page), words_(words)
    {
        arguments_.command = page.name;
    }

    Result<Arguments> run()
    {
        while (at_ < words_.size())
            TRY(take(words_[at_]));
        const bool has_plain =
            !arguments_.plain.empty() || (page_.plain_is_device() && arguments_.has("dev"));
        if (!has_plain && !page_.missing.empty())
            return wrong(page_.missing);
        TRY(check_devices());
        return std::move(arguments_);
    }

  private:
    [[nodiscard]] Failure wrong(const std::string &cause) const
    {
        return usage_failure(page_.name, arguments_.object(), cause);
    }

    [[nodiscard]] std::optional<Match> find(const std::string &typed) const
    {
        if (typed.starts_with("--"))
            return find_exact(page_, std::string_view(typed).substr(2));
        if (typed.starts_with('-') || page_.style == Style::options)
            return std::nullopt;
        if (const auto match = find_exact(page_, typed))
            return match;
        const bool device_is_next =
            page_.style == Style::device && arguments_.plain.empty() && !arguments_.has("dev");
        return device_is_next ? std::nullopt : find_abbreviated(page_, typed);
    }

    Result<> take(const std::string &typed)
    {
        const auto match = find(typed);
        if (!match)
            return take_plain(typed);
        const Word &word = *match->word;
        at_++;
        const std::string named = full_name(*match, typed);
        abbreviated_ = named == typed ? "" : fmt::format("{} is read as {}", typed, word.word);
        if (!word.refusal.empty()) {
            if (match->negated)
                return {}; // is off anyway
            return wrong(fmt::format("{} is refused: {}", typed, word.refusal));
        }
        Arguments::Given given{word.word, {}, match->negated, abbreviated_};
        for (std::size_t n = 0; n < value_count(word); n++, at_++) {
            if (at_ == words_.size())
                return wrong(named + (value_count(word) == 2 && n == 1 ? " needs two values"
                                                                       : " needs a value"));
            if (words_[at_].empty())
                return wrong(named + " is empty");
            given.values.push_back(words_[at_]);
        }
        if (arguments_.has(word.word) && !may_repeat(word))
            return wrong(word.word + " is given twice");
        if (word.is_plain) {
            if (arguments_.plain.size() >= page_.most_plain)
                return wrong(plain_name(page_) + " is given twice");
            arguments_.plain.push_back(given.values.front());
        }
        arguments_.given.push_back(std::move(given));
        return {};
    }

    // A name that no device can have is a wrong word, not a device that is not there.
    [[nodiscard]] Result<> check_devices() const
    {
        std::vector<std::string> names;
        if (page_.plain_is_device())
            names = arguments_.plain;
        for (const Word &word : page_.words)
            if (is_device_word(word))
                std::ranges::copy(arguments_.all(word.word), std::back_inserter(names));
        for (const std::string &name : names)
            if (!is_device_name(name))
                return wrong(fmt::format("\"{}\" is not an interface name", name));
        return {};
    }

    // A switch may be given again outside `bridge fdb`'s words: the last one wins.
    [[nodiscard]] bool may_repeat(const Word &word) const
    {
        return word.repeats || word.is_plain || word.ignored ||
               (word.value.empty() && page_.style != Style::table);
    }

    Result<> take_plain(const std::string &typed)
    {
        if (is_dashed(typed))
            return wrong_option(typed);
        if (typed.empty())
            return wrong(plain_name(page_) + " is empty");
        const bool device_given =
            page_.most_plain == 1 && page_.plain_is_device() && arguments_.has("dev");
        if (arguments_.plain.size() >= page_.most_plain || device_given || devices_end())
            return wrong(fmt::format("what is \"{}\"? ({})", typed,
                                     abbreviated_.empty() ? advice(typed) : abbreviated_));
        arguments_.plain.push_back(typed);
        plain_first_ = plain_first_ || at_ == 0;
        at_++;
        return {};
    }

    // Behind devices and a keyword, a plain word is a mistyped keyword; further devices have "dev".
    [[nodiscard]] bool devices_end() const
    {
        return page_.most_plain > 1 && plain_first_ && !arguments_.given.empty();
    }

    [[nodiscard]] Failure wrong_option(const std::string &typed) const
    {
        std::string echo = typed;
        if (at_ + 1 < words_.size() && !is_dashed(words_[at_ + 1]) &&
            !find_exact(page_, words_[at_ + 1]))
            echo += " " + words_[at_ + 1];
        const std::string bare = typed.substr(std::min(typed.find_first_not_of('-'), typed.size()));
        const std::string meant = nearest(bare, names_of(page_));
        return wrong("unknown option " + echo +
                     (meant.empty() ? "" : fmt::format(" (did you mean --{}?)", meant)));
    }

    [[nodiscard]] std::string advice(const std::string &typed) const
    {
        const std::string meant = nearest(typed, names_of(page_));
        return meant.empty() ? fmt::format("see xvtep {} help", page_.name)
                             : fmt::format("did you mean {}{}?",
                                           page_.style == Style::options ? "--" : "", meant);
    }

    const Page &page_;
    const Words &words_;
    std::size_t at_ = 0;
    bool plain_first_ = false; // the first word is plain
    std::string abbreviated_;  // how the last keyword was read; "": it was given in full
    Arguments arguments_;
};

// The letters that have to be inserted, deleted, replaced, or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::vector<std::size_t>> cost(a.size() + 1,
                                               std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); i++) {
        for (std::size_t j = 0; j <= b.size(); j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min({cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1),
                                   cost[i - 1][j] + 1, cost[i][j - 1] + 1});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

} // namespace

std::string Page::last_name() const
{
    return name.substr(name.rfind(' ') == std::string::npos ? 0 : name.rfind(' ') + 1);
}

bool Page::plain_is_device() const
{
    return plain.find("DEV") != std::string::npos || plain.find("IFNAME") != std::string::npos;
}

const Arguments::Given *Arguments::last(std::string_view word) const
{
    const auto found = std::find_if(given.rbegin(), given.rend(),
                                    [&](const Given &one) { return one.word == word; });
    return found == given.rend() ? nullptr : &*found;
}

std::optional<std::string> Arguments::find(std::string_view word) const
{
    const Given *const found = last(word);
    if (found == nullptr)
        return std::nullopt;
    return found->values.empty() ? "" : found->values.front();
}

std::vector<std::string> Arguments::all(std::string_view word) const
{
    std::vector<std::string> values;
    for (const Given &one : given)
        if (one.word == word)
            values.insert(values.end(), one.values.begin(), one.values.end());
    return values;
}

std::optional<std::string> Arguments::device() const
{
    if (auto named = find("dev"))
        return named;
    return plain.empty() ? std::nullopt : std::optional(plain.front());
}

std::string Arguments::object() const
{
    if (plain.empty())
        return find("dev").value_or("");
    return fmt::format("{}", fmt::join(plain, " "));
}

bool asks_for_help(const Page &page, const Words &words)
{
    for (std::size_t at = 0; at < words.size(); at++) {
        const std::string &word = words[at];
        if (word == "-h" || word == "-help" || word == "--help" || word == "help")
            return true;
        const bool dashed = word.starts_with("--");
        if (const auto match = find_exact(page, dashed ? std::string_view(word).substr(2) : word))
            at += value_count(*match->word);
    }
    return false;
}

Result<Arguments> parse(const Page &page, const Words &words)
{
    return Parser(page, words).run();
}

const Page *find_page(const std::vector<Page> &pages, std::string_view name)
{
    for (const Page &page : pages)
        if (name == page.last_name() || std::ranges::count(page.aliases, name) != 0)
            return &page;
    if (name.empty())
        return nullptr;
    const auto begins = [&](const std::string &whole) { return whole.starts_with(name); };
    for (const Page &page : pages)
        if (begins(page.last_name()) || std::ranges::any_of(page.aliases, begins))
            return &page;
    return nullptr;
}

std::string nearest(std::string_view typed, const std::vector<std::string> &candidates)
{
    const std::size_t most = typed.size() <= 4 ? 1 : 2; // letters that may be wrong
    std::size_t best = most + 1;
    std::string found;
    for (const std::string &candidate : candidates) {
        const std::size_t wrong = distance(typed, candidate);
        if (wrong < best && wrong < candidate.size()) {
            best = wrong;
            found = candidate;
        }
    }
    return found;
}

} // namespace xvtep::cli
