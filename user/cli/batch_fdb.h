// SPDX-License-Identifier: GPL-2.0-only
// A fast path for the lines of a batch that add FDB entries: they are gathered, parsed and written
// together. The general parser alone takes longer for a million lines.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "user/cli/cli.h"
#include "xvtep/fdb.h"

namespace xvtep::cli {

// Whether a character separates words.
inline bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// Parses "fdb add|replace MAC dev IFNAME dst IP [self] [static|permanent]" without quotes. Returns
// nullopt for all else, wrong values too: the general parser takes those lines.
std::optional<std::pair<FdbVerb, FdbEntry>> parse_fdb_line(std::string_view text);

class FdbLines {
  public:
    // Takes a line that begins like such a line. Returns false for others, and when it is full.
    bool take(std::string_view text, unsigned line);

    struct Stopped {
        unsigned line;
        std::optional<Error> error; // none: the general parser takes the line
        std::string text;
    };
    // Writes the gathered entries. Lines behind the one that it stops at wait for the next call.
    std::optional<Stopped> write();

  private:
    static constexpr std::size_t most = 16384,
                                 most_text = 4
                                             << 20; // lines; bytes, which the last line may exceed

    void parse();
    [[nodiscard]] std::string_view text_of(std::size_t index) const;

    std::string text_; // of all lines
    std::vector<std::size_t> ends_;
    std::vector<unsigned> lines_;
    // The parsed lines, from the first write() on.
    std::vector<FdbEntry> entries_;
    std::vector<std::optional<FdbVerb>> verbs_; // none: the general parser takes the line
    std::size_t at_ = 0;                        // the next line to write
    std::size_t at_once_ = most; // lines in one write; fewer after a line failed with -force
};

} // namespace xvtep::cli
