// SPDX-License-Identifier: GPL-2.0-only
// What commands that only read say of adopted devices.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/datapath/adopt_registry.h"
#include "xvtep/fdb.h"
#include "xvtep/stats.h"
#include "xvtep/vtep.h"

namespace xvtep::adopt {

// Whether the device is adopted.
Result<bool> is_adopted(const std::string &device);

// Adopted devices; `device`: that one alone, or those that use this underlay port.
Result<std::vector<VtepInfo>> list(const std::optional<std::string> &device);
// Devices that the namespace's service has left to the kernel.
Result<std::vector<RefusedDevice>> list_refused(const std::optional<std::string> &device);
// `device`: that one alone; an error if it is not adopted.
Result<std::vector<FdbEntry>> fdb(const std::optional<std::string> &device);
Result<std::vector<Stats>> stats(const std::optional<std::string> &device);

} // namespace xvtep::adopt
