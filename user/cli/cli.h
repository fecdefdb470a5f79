// SPDX-License-Identifier: GPL-2.0-only
// The command line. Each command turns words into a request (testable without a system), calls the
// library, and renders what comes back with output.h.
#pragma once

#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "xvtep/netns.h"

namespace CLI {
class App;
}

namespace xvtep::cli {

using Words = std::vector<std::string>;

// What stands before the command, and where output goes.
struct Context {
    bool json = false;
    bool pretty = false;
    bool statistics = false;
    std::optional<std::string> netns;
    std::FILE *out = stdout;

    // What might steer a terminal, in a device's name say, becomes '?'; JSON is left as it is.
    void print(const std::string &text) const;
    // Into the namespace of -n. Commands call it once their words are found good, so that wrong
    // words exit 1 whatever the system.
    [[nodiscard]] Result<std::optional<Netns::Scope>> enter() const;
};

// The same without control characters, as '?'; '\n' may stay.
std::string printable(std::string text, bool keeps_lines = false);

// Parses dashed options and positionals; the error is one line. True: help was printed.
Result<bool> parse_options(CLI::App &app, const std::string &command, const Words &words,
                           const Context &context);

Result<> run_attach(const Context &context, const Words &words);
Result<> run_detach(const Context &context, const Words &words);
Result<> run_show(const Context &context, const Words &words);
Result<> run_set(const Context &context, const Words &words);
Result<> run_reload(const Context &context, const Words &words);
Result<> run_port(const Context &context, const Words &words);
Result<> run_fdb(const Context &context, const Words &words);
Result<> run_neigh(const Context &context, const Words &words);
Result<> run_monitor(const Context &context, const Words &words);
Result<> run_stats(const Context &context, const Words &words);
Result<> run_agent(const Context &context, const Words &words);
Result<> run_lab(const Context &context, const Words &words);

// One command with its words, as a line of a batch has them.
Result<> run_command(const Context &context, const Words &words);

// The whole program: the exit status.
int run(std::span<const char *const> arguments, std::FILE *out, std::FILE *err);

} // namespace xvtep::cli
