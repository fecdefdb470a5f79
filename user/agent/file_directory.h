// SPDX-License-Identifier: GPL-2.0-only
// A directory with no server: a file that people can read and edit. A line each, '#' comments:
//
//   vni 42 mac 02:00:00:00:00:01 ip 10.20.1.3 vtep 192.168.8.101 [port 4789] [by NODE]
//
// It is watched for changes, and looked at each second. Agents add and remove the lines `by`
// themselves, under a lock (PATH.lock) and with a rename, so that several may share one file, each
// under a name of its own (two with one name are said to be, and left alone); other lines are left
// as they are. There are no leases: what a dead host announced stays until somebody removes it. Of
// a file over 64 MiB nothing is read, of a line over 4 KiB (a comment, too) neither.
#pragma once

#include "user/agent/directory.h"

namespace xvtep::agent {

struct FileOptions {
    std::string path;
    std::string node; // in this host's lines
};

// The file need not exist yet; its directory must. EINVAL: it is no regular file.
Result<std::unique_ptr<Directory>> make_file_directory(Loop &loop, Directory::Client &client,
                                                       FileOptions options);

// One line; none: nothing but blanks or a comment. `node`: its `by`, or "".
struct FileLine {
    Record record;
    std::string node;
};
Result<std::optional<FileLine>> parse_line(std::string_view line);
std::string to_line(const FileLine &line);

} // namespace xvtep::agent
