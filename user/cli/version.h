// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep::cli {

// The versions that a bug report needs, in one line.
[[nodiscard]] std::string version_text();

} // namespace xvtep::cli
