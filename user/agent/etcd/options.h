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
    std::string prefix = "/xvtep/v1";   // of all keys; without a final slash
    // PEM files, for https. With users, etcd's gateway refuses certificates with a common name.
    std::string cacert, cert, key;
    std::string user, password;              // empty: no authentication
    std::chrono::seconds lease_ttl{60};      // announced endpoints outlive the host by this time
    std::chrono::milliseconds timeout{2000}; // of a look-up, for all servers together
    std::string node;                        // this host's name, for the log
};

// Parses what follows `etcd:`, such as "http://a:2379,https://b/prefix": endpoints, and the prefix
// if there is a path. The default port is 2379.
// Errors: usage: another scheme, two prefixes, a query, or credentials, which other users could see
// on the command line.
Result<EtcdOptions> parse_etcd_url(std::string_view text);

// Reads the first line of a file. The file may be a pipe of the shell: the call waits for it.
Result<std::string> read_password(const std::string &path);
// Warnings for the user about how the password is stored and sent.
std::vector<std::string> password_warnings(const EtcdOptions &options, const std::string &path);

} // namespace xvtep::agent
