// SPDX-License-Identifier: GPL-2.0-only
// The labs that this program has: the files in labs/, which the build puts into it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "user/base/result.h"

namespace xvtep {

struct BuiltInLab {
    std::string_view name;
    std::string_view text; // JSON
};

std::span<const BuiltInLab> builtin_labs(); // sorted by name

// The JSON of a built-in lab, or of a file. Errors: usage, neither a lab nor a file.
Result<std::string> find_lab(const std::string &name_or_file);

} // namespace xvtep
