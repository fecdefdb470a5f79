// SPDX-License-Identifier: GPL-2.0-only
// The agent as a program: it connects misses, directory, endpoints, metrics and signals by one
// event loop.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "user/agent/agent.h"
#include "user/agent/endpoints.h"
#include "user/agent/privileges.h"

namespace xvtep::agent {

// Makes the directory that --directory names.
using DirectoryMaker =
    std::function<Result<std::unique_ptr<Directory>>(Loop &, Directory::Client &)>;

struct ServeOptions {
    DirectoryMaker directory;
    std::set<std::uint32_t> vnis; // empty: all, including those attached later
    bool announce = true;
    bool withdraw = false;                           // the announced endpoints, on exit
    std::string metrics;                             // ADDRESS:PORT or ""
    ForeignFiles foreign_files = ForeignFiles::none; // the directory's, or the state file
    AgentOptions agent;
    EndpointOptions endpoints;
};

// Serves until SIGINT or SIGTERM, in the calling thread and its network namespace. Notifies systemd
// when it is ready, and its watchdog. The table entries stay on exit, and expire if they are
// unused. Drops privileges, also for the time after it returns.
Result<> serve(ServeOptions options);

} // namespace xvtep::agent
