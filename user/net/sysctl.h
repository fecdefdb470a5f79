// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep {

// /proc/sys/KEY of the calling thread's network namespace; KEY with slashes: "net/ipv4/ip_forward".
Result<std::string> sysctl(const std::string &key);
Result<> set_sysctl(const std::string &key, const std::string &value);

} // namespace xvtep
