// SPDX-License-Identifier: GPL-2.0-only
// What a lab's agents need: a directory, and themselves; running when these functions return.
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/lab/build.h"
#include "user/lab/state.h"

namespace xvtep {

// Fails where a program is missing, before anything is made.
Result<> find_services(const LabState &state);

Result<> start_directory(const LabState &state, LabNode &node); // of etcd's host
// Returns when it listens at the bridges' ports too.
Result<> start_agent(const LabState &state, const LabHost &host, LabNode &node);

// Until the host's agent hears the device, a bridge's port.
Result<> await_listener(LabNode &node, const std::string &device);
// Until the host's agent has heard these containers' addresses.
Result<> await_heard(const LabState &state, const std::string &host,
                     const std::vector<std::string> &containers);

// Of a process of the host: what it prints. An agent's is a JSON object each line.
std::string log_path(const LabState &state, const std::string &host, const std::string &what);

} // namespace xvtep
