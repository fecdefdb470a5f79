// SPDX-License-Identifier: GPL-2.0-only
// Files of others' making: what is read is bounded, and nothing that blocks or never ends is read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "user/base/result.h"

namespace xvtep::agent {

// All of it. ENOENT; EINVAL: not a regular file; EFBIG: more than `most` bytes.
Result<std::string> read_regular(const std::string &path, std::size_t most);
// A regular file, or nothing yet.
Result<> check_regular(const std::string &path);
Result<> write_all(int fd, std::string_view text, const std::string &path);
// By PATH.new and a rename; a link or a file that somebody has put there is not written to.
Result<> replace_file(const std::string &path, std::string_view text);

} // namespace xvtep::agent
