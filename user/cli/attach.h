// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/cli.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

struct ParsedAttach {
    AttachRequest request;
    bool helped = false;
};
Result<ParsedAttach> parse_attach(const Words &words, const Context &context);

} // namespace xvtep::cli
