// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

// libbpf and libxdp print to standard error; have them speak to the debug log instead.
void quiet_libraries();

// What the verifier had against a program, else their last warning, in one line, for the error that
// follows from it.
std::string last_complaint();

} // namespace xvtep
