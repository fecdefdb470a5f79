// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep {

// A feature of a device of the calling thread's namespace by its ethtool -k kernel string
// ("rx-gro", "tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-udp_tnl-segmentation", …).
Result<bool> device_feature(const std::string &ifname, const std::string &feature);
Result<> set_device_feature(const std::string &ifname, const std::string &feature, bool on);

// Of an error of these: the device cannot have the feature so, today or tomorrow.
bool is_unsupported(const Error &error);

} // namespace xvtep
