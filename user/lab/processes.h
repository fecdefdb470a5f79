// SPDX-License-Identifier: GPL-2.0-only
// Programs that run in a lab's namespaces until it is taken down. They are known by a variable in
// their environment: what a person starts there is left alone.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/build.h"

namespace xvtep {

struct LabProcess {
    std::string netns; // the namespace's name
    std::string what;  // "agent", "etcd"
    pid_t pid = 0;
};

// The file of a program: `name` as it is with a slash, else in the usual directories.
Result<std::string> find_program(const std::string &name);

// Starts words[0], a file, in the namespace and in a session of its own; what it prints is appended
// to `log`. It outlives this process.
Result<> start_process(const LabNode &node, const std::string &what,
                       const std::vector<std::string> &words, const std::string &log);

// Those of these namespaces; in the order of the names.
std::vector<LabProcess> lab_processes(const std::vector<std::string> &netns_names);

// Kills (SIGKILL) those of these namespaces, or those that are `what`, and waits until they are
// gone.
Result<> kill_processes(const std::vector<std::string> &netns_names, const std::string &what = "");

} // namespace xvtep
