// SPDX-License-Identifier: GPL-2.0-only
// Values of a command line.
#pragma once

#include <cstdint>
#include <string>

#include "user/cli/grammar.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep::cli {

// Turns text into values; errors name the command, its object, and the value.
struct Values {
    std::string command;
    std::string object;

    Values(std::string command_, std::string object_)
        : command(std::move(command_)), object(std::move(object_))
    {
    }
    explicit Values(const Arguments &arguments) : Values(arguments.command, arguments.object()) {}

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

  private:
    [[nodiscard]] Result<std::uint64_t> parse_number(const std::string &what,
                                                     const std::string &text, std::uint64_t low,
                                                     std::uint64_t high) const;
};

} // namespace xvtep::cli
