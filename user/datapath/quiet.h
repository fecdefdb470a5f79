// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

// libbpf and libxdp print to standard error; have them speak to the debug log instead.
void quiet_libraries();

// The last warning they had, in one line, for the error that follows from it.
std::string last_complaint();

} // namespace xvtep
