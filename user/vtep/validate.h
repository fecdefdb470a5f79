// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/vtep/vtep.h"

namespace xvtep {

// What is wrong with a request whatever the system: ranges, families, contradictions.
Result<> validate(const AttachRequest &request);

} // namespace xvtep
