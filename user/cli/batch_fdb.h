// SPDX-License-Identifier: GPL-2.0-only
// Lines of a batch that add FDB entries, gathered and written together: a million of them are
// parsed and written in less time than the general parser alone would take.
#pragma once

#include <optional>
#include <string_view>
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
    // Whether the line is one of them and was taken. Not taken also when others have to be written
    // first.
    bool take(std::string_view text, unsigned line);
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    [[nodiscard]] bool full() const { return entries_.size() >= most; }

    struct Failed {
        unsigned line;
        Error error;
    };
    // Writes what was gathered; at a failure what stood behind it is kept for the next call.
    std::optional<Failed> write();

  private:
    static constexpr std::size_t most = 8192;
    FdbVerb verb_ = FdbVerb::add;
    std::vector<FdbEntry> entries_;
    std::vector<unsigned> lines_;
};

} // namespace xvtep::cli
