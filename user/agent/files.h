// SPDX-License-Identifier: GPL-2.0-only
// Files that other programs have made: reads are bounded, and never block as on a FIFO.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "user/base/result.h"

namespace xvtep::agent {

// Reads the whole file.
// Errors: ENOENT; EINVAL: not a regular file; EFBIG: more than `most` bytes.
Result<std::string> read_regular(const std::string &path, std::size_t most);
// Errors: EINVAL: the path exists and is not a regular file.
Result<> check_regular(const std::string &path);
// Checks that the file can be replaced or made, by making a file beside it for a moment. If its
// directory does not exist, the nearest one above it is used.
// Errors: EINVAL, as check_regular(); the errno of mkostemp(3).
Result<> check_writable(const std::string &path);
Result<> write_all(int fd, std::string_view text, const std::string &path);
// Replaces the file by writing PATH.new and renaming it. If PATH.new exists it is removed, so a
// symbolic link that somebody has put there is not followed.
Result<> replace_file(const std::string &path, std::string_view text);

} // namespace xvtep::agent
