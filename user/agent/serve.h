// SPDX-License-Identifier: GPL-2.0-only
// The agent as a program: the loop with misses, directory, endpoints, metrics and signals in it.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "user/agent/agent.h"
#include "user/agent/endpoints.h"

namespace xvtep::agent {

// Makes the directory of a --directory word.
using DirectoryMaker =
    std::function<Result<std::unique_ptr<Directory>>(Loop &, Directory::Client &)>;

struct ServeOptions {
    DirectoryMaker directory;
    std::set<std::uint32_t> vnis; // empty: all, also those attached later
    bool announce = true;
    bool withdraw = false; // the endpoints, at a good end
    std::string metrics;   // ADDRESS:PORT or ""
    AgentOptions agent;
    EndpointOptions endpoints;
};

// Until SIGINT or SIGTERM, in the calling thread and its network namespace. Tells systemd when it
// is ready, and that it lives. The entries it wrote stay, and expire if they are not used.
Result<> serve(ServeOptions options);

} // namespace xvtep::agent
