// SPDX-License-Identifier: GPL-2.0-only
// Compares two texts line by line, in any order.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace xvtep::test {

// The lines that only one of them has; empty where they are the same.
inline std::string difference(const std::string &was, const std::string &is)
{
    std::map<std::string, int> lines;
    std::istringstream before(was), now(is);
    for (std::string line; std::getline(before, line);)
        lines[line]--;
    for (std::string line; std::getline(now, line);)
        lines[line]++;
    std::string text;
    for (const auto &[line, count] : lines)
        if (count != 0)
            text += fmt::format("{}{}\n", count > 0 ? "+" : "-", line);
    return text;
}

} // namespace xvtep::test
