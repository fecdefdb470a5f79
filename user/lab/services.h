// SPDX-License-Identifier: GPL-2.0-only
// The processes of a lab: agents, and the directory that they look misses up in.
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/lab/node.h"
#include "user/lab/state.h"

namespace xvtep {

// Fails where a program that the lab needs is missing.
Result<> find_services(const LabState &state);

// `node`: etcd's host. Returns when etcd is healthy.
Result<> start_directory(const LabState &state, LabNode &node);
// Returns when the agent listens at the ports of its host's bridges.
Result<> start_agent(const LabState &state, const LabHost &host, LabNode &node);

// Waits until the host's agent listens at the device, a port of a bridge.
Result<> await_listener(LabNode &node, const std::string &device);
// Waits until the host's agent has heard the addresses of these containers.
Result<> await_heard(const LabState &state, const std::string &host,
                     const std::vector<std::string> &containers);

// The file with the output of a process. An agent writes a JSON object on each line.
std::string log_path(const LabState &state, const std::string &host, const std::string &what);

} // namespace xvtep
