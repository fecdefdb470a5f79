// SPDX-License-Identifier: GPL-2.0-only
// The file in which an agent keeps the endpoints behind local ports for its next run: JSON, an
// array with an object for each MAC and its members device, vlan, vni, mac and ips.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep::agent {

struct SavedEndpoint {
    std::string device;     // the port
    std::uint16_t vlan = 0; // 0: untagged
    std::uint32_t vni = 0;
    Mac mac;
    std::set<Ip> ips;

    bool operator==(const SavedEndpoint &) const = default;
};

// Errors: ENOENT; EINVAL: not a regular file; EFBIG: the file is too large; EBADMSG: its text is
// not what write_state() writes.
Result<std::vector<SavedEndpoint>> read_state(const std::string &path);
// Replaces the file as a whole, and makes its directory if there is none.
Result<> write_state(const std::string &path, std::span<const SavedEndpoint> endpoints);

} // namespace xvtep::agent
