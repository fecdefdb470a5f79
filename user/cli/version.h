// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep::cli {

// The versions that a bug report needs, in one line.
[[nodiscard]] std::string version_text();

// Of the commit, for the man page: "2026-11-27".
[[nodiscard]] std::string version_date();

} // namespace xvtep::cli
