// SPDX-License-Identifier: GPL-2.0-only
// What is wrong with ranges of VNIs on any system. "" means nothing.
#pragma once

#include <span>
#include <string>

#include "xvtep/vtep.h"

namespace xvtep {

std::string wrong_vnis(const VniRange &range);
// Also looks at VLANs and remotes, and whether two ranges have a VNI or a VLAN in common.
std::string wrong_ranges(std::span<const VniRange> ranges);

} // namespace xvtep
