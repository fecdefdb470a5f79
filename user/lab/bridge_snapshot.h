// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <map>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/build.h"

namespace xvtep {

// A bridge's and its ports' settings, by what each is called: "br0 ageing", "veth1 learning".
using BridgeSnapshot = std::map<std::string, std::string>;

// Without the ports named in `except`.
Result<BridgeSnapshot> snapshot_bridge(LabNode &node, const std::string &bridge,
                                       const std::vector<std::string> &except);

// The first setting that differs, as "NAME: BEFORE became AFTER"; "" where none does.
std::string difference(const BridgeSnapshot &before, const BridgeSnapshot &after);

} // namespace xvtep
