// SPDX-License-Identifier: GPL-2.0-only
// The command lines of the benchmark programs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace xvtep::bench {

// An option `--name`, and the variable that it sets. A list is given with commas; a number has to
// be above 0.
struct Argument {
    const char *name;
    std::variant<bool *, std::string *, unsigned *, double *, std::vector<std::string> *> target;
    const char *help;
};

// Reads the command line. Returns the exit status if the program ends here: 0 after `--help`, 1
// after an error; either has been printed.
std::optional<int> parse_arguments(int argc, char **argv, const char *purpose,
                                   std::span<const Argument> arguments);

} // namespace xvtep::bench
