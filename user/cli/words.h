// SPDX-License-Identifier: GPL-2.0-only
// Values, and iproute2's keyword tails ("dev X dst IP port N").
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>

#include "user/cli/cli.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

// Turns text into values; errors name the command, its object, and the value.
struct Values {
    std::string command;
    std::string object;

    Values(std::string command_, std::string object_)
        : command(std::move(command_)), object(std::move(object_))
    {
    }

    [[nodiscard]] Failure wrong(const std::string &cause) const
    {
        return usage_failure(command, object, cause);
    }
    // Decimal, or hexadecimal with 0x.
    template <class T = std::uint32_t>
    [[nodiscard]] Result<T> number(const std::string &what, const std::string &text,
                                   std::uint64_t low, std::uint64_t high) const
    {
        TRY_ASSIGN(const auto value, parse_number(what, text, low, high));
        return static_cast<T>(value);
    }
    [[nodiscard]] Result<Ip> ip(const std::string &what, const std::string &text) const;
    [[nodiscard]] Result<Mac> mac(const std::string &what, const std::string &text) const;

    // "" leaves the target alone.
    Result<> assign(std::optional<Ip> &target, const std::string &what,
                    const std::string &text) const;
    Result<> assign(OrInherit &target, const std::string &what, const std::string &text) const;

  private:
    [[nodiscard]] Result<std::uint64_t> parse_number(const std::string &what,
                                                     const std::string &text, std::uint64_t low,
                                                     std::uint64_t high) const;
};

struct Tail {
    std::vector<std::string> plain;            // words that are no keyword's, in order
    std::map<std::string, std::string> values; // keyword -> its value; "" for a bare keyword
    bool helped = false;

    [[nodiscard]] bool has(const std::string &keyword) const { return values.contains(keyword); }
    [[nodiscard]] std::optional<std::string> find(const std::string &keyword) const
    {
        const auto at = values.find(keyword);
        return at == values.end() ? std::nullopt : std::optional(at->second);
    }
};

// `keywords`: those that take a value; one that ends in '!' takes none. `most_plain`: how many
// other words there may be. A keyword given twice is refused.
Result<Tail> parse_tail(const std::string &command, const Words &words,
                        std::initializer_list<std::string> keywords, const Context &context,
                        const std::string &usage, std::size_t most_plain = 0);

} // namespace xvtep::cli
