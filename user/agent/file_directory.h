// SPDX-License-Identifier: GPL-2.0-only
// A directory without a server: a file that people can read and edit, with a record on each line
// and
// '#' comments:
//
//   vni 42 mac 02:00:00:00:00:01 ip 10.20.1.3 vtep 192.168.8.101 [port 4789] [by NODE]
//
// The agent watches the file with inotify and also checks it each second. Agents add and remove the
// lines with their own name in `by`, under a lock (PATH.lock) and with a rename, so several agents
// may share one file, if each has a name of its own; if two have one name, the log says so and
// their lines are left unchanged. All other lines are left unchanged. There are no leases: the
// lines of a dead host stay until somebody removes them. A file over 64 MiB is not read, and a line
// over 4 KiB, even a comment, is refused. A file with a line that is refused may belong to another
// program: its other lines are read, but it is never written.
#pragma once

#include "user/agent/directory.h"

namespace xvtep::agent {

struct FileOptions {
    std::string path;
    std::string node; // the `by` of this host's lines
};

// The file need not exist yet, but its directory must exist, and the file can be made there.
// Errors: EINVAL: not a regular file; EBADMSG: the file has lines, but none of them is a record.
Result<std::unique_ptr<Directory>> make_file_directory(Loop &loop, Directory::Client &client,
                                                       FileOptions options);

// One line of the file. Nothing: a blank line or a comment.
struct FileLine {
    Record record;
    std::string node; // its `by`, or ""
};
Result<std::optional<FileLine>> parse_line(std::string_view line);
std::string to_line(const FileLine &line);

} // namespace xvtep::agent
