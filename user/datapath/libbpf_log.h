// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

// libbpf and libxdp print to standard error; have them speak to the debug log instead.
void capture_libbpf_log();

// What the verifier had against a program, else their last warning, in one line, for the error that
// follows from it.
std::string last_libbpf_error();

} // namespace xvtep
