// SPDX-License-Identifier: GPL-2.0-only
// A directory that is a command of the user's. The shell runs it for each look-up, with
//
//   {"event":"l3miss","vni":42,"ip":"10.20.1.3"}    or    {"event":"l2miss","vni":42,"mac":"02:…"}
//
// on standard input. It answers on standard output with a record (record.h), or, if there is none,
// with nothing, `null` or `{}`. An exit status other than 0 is an error. Its standard error is
// logged, a few lines a second. When it has ended, its process group is killed. The directory
// reports no changes and takes no announcements.
#pragma once

#include <chrono>

#include "user/agent/directory.h"

namespace xvtep::agent {

struct ExecOptions {
    std::string command;
    std::chrono::milliseconds timeout{5000}; // then the command is killed with its process group
    unsigned most = 16;                      // commands at a time; further look-ups wait
    unsigned lines_most = 10;                // of standard error that are logged each second
};

// Checks the command's first word if it is an absolute path. The shell finds the other words.
// Errors: ENOENT, EACCES: there is no such program, or it cannot be run.
Result<> check_command(const std::string &command);

// What a command's standard output says: nothing, `null` and `{}` mean that there is no record.
// Errors: EBADMSG, as parse_record().
Directory::Answer parse_exec_answer(const Key &key, const std::string &out);

std::unique_ptr<Directory> make_exec_directory(Loop &loop, ExecOptions options);

} // namespace xvtep::agent
