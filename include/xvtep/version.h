// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

// The layout of the tables in the kernel. A process with another layout cannot read them.
[[nodiscard]] unsigned map_layout();

// Of the libbpf that is linked: "1.1".
[[nodiscard]] std::string libbpf_version();

} // namespace xvtep
