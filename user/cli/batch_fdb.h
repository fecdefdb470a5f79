// SPDX-License-Identifier: GPL-2.0-only
// Lines of a batch that add FDB entries, gathered and written together: a million of them are
// parsed and written in less time than the general parser alone would take.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "user/cli/cli.h"
#include "xvtep/fdb.h"

namespace xvtep::cli {

// Between the words of a line.
inline bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// "fdb add|replace MAC dev IFNAME dst IP [self] [static|permanent]", none of it quoted; anything
// else, wrong values too, is for the general parser.
std::optional<std::pair<FdbVerb, FdbEntry>> parse_fdb_line(std::string_view text);

class FdbLines {
  public:
    // Whether the line looks like one of them and was taken; not when there are many already.
    bool take(std::string_view text, unsigned line);

    struct Stopped {
        unsigned line;
        std::optional<Error> error; // none: the line is for the general parser
        std::string text;
    };
    // Writes what was gathered; what stands behind the line it stops at is kept for the next call.
    std::optional<Stopped> write();

  private:
    static constexpr std::size_t most = 16384, most_text = 4 << 20; // bytes, but for the last line

    void parse();
    [[nodiscard]] std::string_view text_of(std::size_t index) const;

    std::string text_; // of all lines
    std::vector<std::size_t> ends_;
    std::vector<unsigned> lines_;
    // As parsed, at the first write().
    std::vector<FdbEntry> entries_;
    std::vector<std::optional<FdbVerb>> verbs_; // none: for the general parser
    std::size_t at_ = 0;                        // the next to write
    std::size_t at_once_ = most;                // fewer where lines fail, with -force
};

} // namespace xvtep::cli
