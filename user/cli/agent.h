// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/agent/serve.h"
#include "user/cli/cli.h"

#include <spdlog/common.h>

namespace xvtep::cli {

struct ParsedAgent {
    agent::ServeOptions options;
    bool helped = false;
    bool default_state = false; // the state file's name comes from the namespace
    bool log_json = false;
    spdlog::level::level_enum log_level = spdlog::level::info;
};

Result<ParsedAgent> parse_agent(const Words &words, const Context &context);

} // namespace xvtep::cli
