// SPDX-License-Identifier: GPL-2.0-only
// Programs that run in a lab's namespaces until the lab is taken down. A variable in their
// environment marks them, so that programs which a person starts there are left alone.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/node.h"

namespace xvtep {

struct LabProcess {
    std::string netns; // the namespace's name
    std::string what;  // "agent", "etcd"
    pid_t pid = 0;
};

// The path of a program: `name` itself if it has a slash, else looked for in the usual directories.
Result<std::string> find_program(const std::string &name);

// Starts the file words[0] in the namespace and in a session of its own, with its output appended
// to `log`. The program outlives this process.
Result<> start_process(const LabNode &node, const std::string &what,
                       const std::vector<std::string> &words, const std::string &log);

// The processes of these namespaces, in the order of the names.
std::vector<LabProcess> lab_processes(const std::vector<std::string> &netns_names);

// Kills (SIGKILL) the processes of these namespaces, or with `what` those called so, and waits
// until they have ended.
Result<> kill_processes(const std::vector<std::string> &netns_names, const std::string &what = "");

} // namespace xvtep
