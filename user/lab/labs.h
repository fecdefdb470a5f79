// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace xvtep {

// The JSON of the built-in labs, in scenarios' order.
const std::vector<std::string_view> &builtin_labs();

} // namespace xvtep
