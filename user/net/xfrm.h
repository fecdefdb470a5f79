// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/base/result.h"

namespace xvtep {

// Whether the namespace has IPsec policies (`ip xfrm policy`) of any direction. False if the kernel
// has no IPsec.
Result<bool> has_ipsec_policies();

} // namespace xvtep
