// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <map>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/node.h"

namespace xvtep {

// The settings of a bridge and of its ports, by name: "br0 ageing", "veth1 learning".
using BridgeSnapshot = std::map<std::string, std::string>;

// `except`: ports to leave out.
Result<BridgeSnapshot> snapshot_bridge(LabNode &node, const std::string &bridge,
                                       const std::vector<std::string> &except);

// The first setting that differs, as "NAME: BEFORE became AFTER", or "".
std::string difference(const BridgeSnapshot &before, const BridgeSnapshot &after);

} // namespace xvtep
