// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/grammar.h"
#include "xvtep/change.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

Result<AttachRequest> parse_attach(const Arguments &arguments);
Result<Changes> parse_changes(const Arguments &arguments); // of `set`

} // namespace xvtep::cli
