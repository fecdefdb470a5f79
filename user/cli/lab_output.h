// SPDX-License-Identifier: GPL-2.0-only
// A lab's verdict, as text or as JSON.
#pragma once

#include <string>

#include "user/cli/json.h"
#include "user/lab/lab.h"

namespace xvtep::cli {

Json to_json(const LabVerdict &verdict);
std::string to_text(const LabVerdict &verdict);

} // namespace xvtep::cli
