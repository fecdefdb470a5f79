// SPDX-License-Identifier: GPL-2.0-only
// Help, the man page and completion scripts, printed from the tables of commands and options.
#pragma once

#include <string>

#include "user/cli/grammar.h"

namespace xvtep::cli {

[[nodiscard]] std::string general_help();
[[nodiscard]] std::string help_of(const Page &page);
[[nodiscard]] std::string usage_of(const Page &page); // one line: "xvtep set [dev] IFNAME local IP"

[[nodiscard]] std::string man_page(); // xvtep.8, in man(7)'s macros

[[nodiscard]] std::string bash_completion();
[[nodiscard]] std::string zsh_completion();
[[nodiscard]] std::string fish_completion();

} // namespace xvtep::cli
