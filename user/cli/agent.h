// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/agent/log.h"
#include "user/agent/serve.h"
#include "user/cli/grammar.h"

#include <spdlog/common.h>

namespace xvtep::cli {

struct ParsedAgent {
    agent::ServeOptions options;
    bool default_state = false; // the state file's name comes from the namespace
    agent::LogFormat log_format = agent::LogFormat::text;
    spdlog::level::level_enum log_level = spdlog::level::info;
};

Result<ParsedAgent> parse_agent(const Arguments &arguments);

} // namespace xvtep::cli
