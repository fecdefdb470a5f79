// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep {

// A wanted value of a device's feature.
enum class FeatureSetting { off, on };

// Reads or sets a feature of a device in the calling thread's namespace. `feature` is the kernel's
// name of it, as `ethtool -k` resolves it ("rx-gro", "tx-checksum-ip-generic",
// "tx-tcp-segmentation", "tx-udp_tnl-segmentation", …).
Result<bool> device_feature(const std::string &ifname, const std::string &feature);
Result<> set_device_feature(const std::string &ifname, const std::string &feature,
                            FeatureSetting wanted);

// Whether an error of these functions means that the device can never have the feature so.
bool is_unsupported(const Error &error);

} // namespace xvtep
