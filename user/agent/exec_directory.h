// SPDX-License-Identifier: GPL-2.0-only
// A directory that is a command of somebody's own. It is run by the shell for each question, with
//
//   {"event":"l3miss","vni":42,"ip":"10.20.1.3"}    or    {"event":"l2miss","vni":42,"mac":"02:…"}
//
// on standard input, and answers on standard output with a record (record.h), or with nothing,
// `null` or `{}` where there is none. Any exit status but 0 says that it does not know. What it
// writes to standard error is logged, a few lines a second. It is killed with its process group
// when it has ended, too. It hears of no changes and takes no announcements.
#pragma once

#include <chrono>

#include "user/agent/directory.h"

namespace xvtep::agent {

struct ExecOptions {
    std::string command;
    std::chrono::milliseconds timeout{5000}; // then it is killed, with what it started
    unsigned most = 16;                      // at a time; further questions wait
    unsigned lines_most = 10;                // of standard error, logged a second
};

std::unique_ptr<Directory> make_exec_directory(Loop &loop, ExecOptions options);

} // namespace xvtep::agent
