// SPDX-License-Identifier: GPL-2.0-only
// What is fuzzed: functions that parse what comes from outside.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace xvtep::fuzz {

struct Target {
    const char *name;
    void (*run)(std::string_view input);
    std::vector<std::string> (*seeds)(); // inputs to begin with
};

std::vector<Target> net_targets();
std::vector<Target> word_targets();
std::vector<Target> agent_targets();
std::vector<Target> etcd_targets();
std::vector<Target> lab_targets();

// What holds for every input.
inline void check(bool holds, const char *what)
{
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

} // namespace xvtep::fuzz
