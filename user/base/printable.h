// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

enum class Newlines { replaced, kept };

// The text with each control character replaced by '?', as it might steer a terminal.
std::string printable(std::string text, Newlines newlines = Newlines::replaced);

} // namespace xvtep
