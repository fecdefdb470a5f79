// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "user/cli/grammar.h"
#include "xvtep/ip.h"

namespace xvtep::cli {

// What `remote add` and `remote del` are about.
struct RemotePlace {
    Ip ip;
    std::string device; // of the VTEP of this host
};
Result<RemotePlace> parse_remote(const Arguments &arguments);

} // namespace xvtep::cli
