// SPDX-License-Identifier: GPL-2.0-only
// The words for VNIs of a device with many.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/cli/grammar.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

// Whether the words of attach ask for a device with many VNIs.
bool asks_for_many_vnis(const Arguments &arguments);

// The pairs of `vni N[-M] vlan V[-W]`.
Result<std::vector<VniRange>> parse_vnis(const Arguments &arguments);

// "1001-1005,2001", and of the VLANs.
std::string vnis_text(const std::vector<VniRange> &ranges);
std::string vlans_text(const std::vector<VniRange> &ranges);

// Whether one of the ranges has the VNI.
bool has_vni(const std::vector<VniRange> &ranges, std::uint32_t vni);

} // namespace xvtep::cli
