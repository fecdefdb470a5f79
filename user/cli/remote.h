// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>

#include "user/cli/grammar.h"
#include "xvtep/ip.h"

namespace xvtep::cli {

// What `remote add` and `remote del` are about.
struct RemotePlace {
    Ip ip;
    std::string device;    // of the VTEP of this host
    std::uint32_t vni = 0; // of that VTEP, on a device with many VNIs; else 0
};
Result<RemotePlace> parse_remote(const Arguments &arguments);

} // namespace xvtep::cli
