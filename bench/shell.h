// SPDX-License-Identifier: GPL-2.0-only
// Commands of other programs, with a time limit.
#pragma once

#include <string>

#include "user/base/result.h"

namespace xvtep::bench {

// What it wrote on standard output and error; fails with that where the exit status is not 0.
Result<std::string> sh(const std::string &command, int seconds = 60);

// The same in a network namespace, with that namespace's /sys.
Result<std::string> sh_in(const std::string &netns, const std::string &command, int seconds = 60);

// `ip -n NETNS WORDS`.
Result<> ip(const std::string &netns, const std::string &words);

// Several lines of `ip -n NETNS -batch`.
Result<> ip_batch(const std::string &netns, const std::string &lines);

} // namespace xvtep::bench
