// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"

namespace xvtep::agent {

struct EtcdOptions {
    std::vector<std::string> endpoints; // "http://10.0.0.1:2379"; of one cluster, asked in turn
    std::string prefix = "/xvtep/v1";   // of all keys, without a slash at its end
    std::string cacert, cert, key;      // PEM files, for https
    std::string user, password;         // empty: none
    std::chrono::seconds lease_ttl{60}; // what is announced outlives this host by so much
    std::chrono::milliseconds timeout{2000}; // of a look-up, all servers taken together
    std::string node;                        // this host's name, for the log
};

// What follows `etcd:`, "http://a:2379,https://b/prefix": endpoints, and the prefix where a path
// is given. The port is 2379 where left out. Refused: other schemes, two prefixes, credentials (a
// command line is no place for them), queries.
Result<EtcdOptions> parse_etcd_url(std::string_view text);

} // namespace xvtep::agent
