// SPDX-License-Identifier: GPL-2.0-only
// The tables that describe commands, and the parser that reads words by them. Help, the man page
// and the completion scripts are printed from the same tables (help.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/cli/cli.h"

namespace xvtep::cli {

// A keyword of a command. "dst IP", "--dst IP", and for a switch "learning", "nolearning".
struct Word {
    std::string word;
    std::string alias{};
    std::string value{};   // names of its values: "IP", "MIN MAX"; "": a switch
    std::string help{};    // a sentence
    std::string initial{}; // the default
    std::string group{};   // heading in help
    std::string refusal{}; // why the word is refused
    bool required = false;
    bool negatable = false; // a switch that also has "noWORD"
    bool repeats = false;   // may be given again, and each occurrence counts
    bool is_plain = false;  // its value counts as a plain word, too
    bool ignored = false;   // accepted, as iproute2 has it, without an effect
};

// How words that are no keywords are read. A keyword with a value that is given twice is an error,
// unless it repeats.
enum class Style {
    table,   // `bridge fdb`: keywords may be abbreviated anywhere; a switch given twice is an error
    options, // a keyword has "--"; every other word is plain
    device,  // the first plain word is a device, keywords may be abbreviated behind it
};

struct Arguments;

// A command or sub-command.
struct Page {
    std::string name;                   // "fdb add"
    std::vector<std::string> aliases{}; // other words for the last part: "delete"
    std::string summary{};              // a sentence without a subject: "Add an entry."
    std::string about{};                // more sentences
    std::string plain{};                // the words that are no keywords: "DEV [DEV ...]"
    unsigned most_plain = 0;
    std::string missing{}; // the error if there is no plain word; "": none is needed
    Style style = Style::table;
    std::vector<Word> words{};
    std::vector<std::string> examples{};
    std::string group{}; // heading in the general help
    Result<> (*run)(const Context &, const Arguments &) = nullptr;
    // Reads its words itself: a program of its own.
    Result<> (*run_program)(const Context &, const Words &) = nullptr;
    std::vector<Page> pages{}; // sub-commands; the one named "show" runs without a word

    [[nodiscard]] std::string last_name() const; // "add"
    [[nodiscard]] bool plain_is_device() const;  // DEV or IFNAME: "dev X" may stand for it
};

// The words of a command, by the table.
struct Arguments {
    struct Given {
        std::string word;
        std::vector<std::string> values;
        bool negated = false;
        std::string abbreviated{}; // "lo is read as local"; "": it was given in full
    };
    std::string command;
    Words plain;
    std::vector<Given> given; // in the order of the command line

    [[nodiscard]] const Given *last(std::string_view word) const;
    [[nodiscard]] bool has(std::string_view word) const { return last(word) != nullptr; }
    [[nodiscard]] std::optional<std::string> find(std::string_view word) const;
    [[nodiscard]] std::vector<std::string> all(std::string_view word) const;
    // The device: the first plain word or the value of "dev".
    [[nodiscard]] std::optional<std::string> device() const;
    [[nodiscard]] std::string object() const; // the plain words, for errors
};

// Whether the words ask for help: -h, --help, or "help" where a keyword may stand.
bool asks_for_help(const Page &page, const Words &words);

Result<Arguments> parse(const Page &page, const Words &words);

// The page that `name` means: a name, an alias, or the beginning of one, in the table's order.
const Page *find_page(const std::vector<Page> &pages, std::string_view name);

// The candidate that `typed` was probably meant to be; "" if none is near.
std::string nearest(std::string_view typed, const std::vector<std::string> &candidates);

} // namespace xvtep::cli
