// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep {

// Reads or writes /proc/sys/KEY of the calling thread's network namespace. KEY has slashes:
// "net/ipv4/ip_forward".
Result<std::string> sysctl(const std::string &key);
Result<> set_sysctl(const std::string &key, const std::string &value);

} // namespace xvtep
