// SPDX-License-Identifier: GPL-2.0-only
// The options that stand before the command, as iproute2 has them: "-j", "-json", "--json".
#pragma once

#include <optional>
#include <span>
#include <string>

#include "user/cli/cli.h"

namespace xvtep::cli {

struct Globals {
    Context context;
    bool help = false, version = false, verbose = false, force = false, all = false;
    std::optional<std::string> batch;
    Words rest; // the command and its words
};

struct GlobalOption {
    const char *brief; // "j"
    const char *name;  // "json"; "": it has only the brief form
    const char *value; // "NETNS"; "": none
    const char *help;
    bool about_output; // may also stand behind the command
    void (*apply)(Globals &, const std::string &value);
};
std::span<const GlobalOption> global_options();

Result<Globals> split(std::span<const char *const> arguments, std::FILE *out);

// Takes the options about output out of the words of a command.
Result<Words> take_output_options(Context &context, const Words &words);

} // namespace xvtep::cli
