// SPDX-License-Identifier: GPL-2.0-only
// The command line. Each command turns words into a request (testable without a system), calls the
// library, and prints what comes back with output.h.
#pragma once

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/base/printable.h"
#include "user/base/result.h"
#include "xvtep/netns.h"

namespace xvtep::cli {

using Words = std::vector<std::string>;

enum class Timestamps { none, line, brief }; // `ip monitor`, with -t, with -ts

// The options before the command, and where output goes.
struct Context {
    bool json = false;
    bool pretty = false;
    bool statistics = false;
    bool details = false;
    bool brief = false;
    bool oneline = false;
    bool color = false;
    Timestamps timestamps = Timestamps::none;
    int family = 0; // AF_INET or AF_INET6: only entries of that family
    std::optional<std::string> netns;
    std::FILE *out = stdout;

    // Control characters, in the name of a device say, become '?', except in JSON.
    void print(const std::string &text) const;
    // Enters the namespace of -n. Commands call this function once their words are found good, so
    // that wrong words exit 1 whatever the system.
    [[nodiscard]] Result<std::optional<Netns::Scope>> enter() const;
};

// One command with its words, as a line of a batch has them.
Result<> run_command(const Context &context, const Words &words);

// The whole program: the exit status.
int run(std::span<const char *const> arguments, std::FILE *out, std::FILE *err);

} // namespace xvtep::cli
