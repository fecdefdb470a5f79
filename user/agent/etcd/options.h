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
    // PEM files, for https. With users, etcd's gateway refuses certificates with a common name.
    std::string cacert, cert, key;
    std::string user, password;              // empty: none
    std::chrono::seconds lease_ttl{60};      // what is announced outlives this host by so much
    std::chrono::milliseconds timeout{2000}; // of a look-up, all servers taken together
    std::string node;                        // this host's name, for the log
};

// What follows `etcd:`, "http://a:2379,https://b/prefix": endpoints, and the prefix where a path
// is given. The port is 2379 where left out. Refused: other schemes, two prefixes, credentials (a
// command line is no place for them), queries.
Result<EtcdOptions> parse_etcd_url(std::string_view text);

// The first line of a file, a pipe of the shell's too: it is read at once, and waited for.
Result<std::string> read_password(const std::string &path);
// What a person should know of how the password is kept and sent.
std::vector<std::string> password_warnings(const EtcdOptions &options, const std::string &path);

} // namespace xvtep::agent
