// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/cli/grammar.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

Result<AttachRequest> parse_attach(const Arguments &arguments);

} // namespace xvtep::cli
