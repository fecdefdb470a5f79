// SPDX-License-Identifier: GPL-2.0-only
// A directory in etcd, through its v3 JSON gateway (etcd 3.4 and later). The keys are
// PREFIX/VNI/ip/IP and PREFIX/VNI/mac/MAC, the values the JSON of record.h. A MAC with several IPs
// has a key for each IP, and one for the MAC, whose record has no IP.
#pragma once

#include <memory>

#include "user/agent/directory.h"
#include "user/agent/etcd/client.h"
#include "user/agent/etcd/options.h"

namespace xvtep::agent {

// A look-up fails after EtcdOptions::timeout. Announced endpoints stay in etcd for
// EtcdOptions::lease_ttl after the host has died or the object was destroyed; to withdraw them,
// announce an empty set and run the loop until settled(). If etcd has authentication, the user
// needs the right to read and, for announcements, to write all keys of the prefix. The log has
// changes of state, never the password.
class EtcdDirectory : public Directory {
  public:
    [[nodiscard]] virtual const EtcdCounters &counters() const = 0;
    [[nodiscard]] virtual bool settled() const = 0; // etcd has all announcements
};

// `loop` and `client` must outlive the directory, which must not be destroyed within a callback. A
// cluster that cannot be reached is not an error: the directory keeps trying.
// Errors: usage: options that cannot work; ENOENT, EACCES: a file of the options cannot be read.
Result<std::unique_ptr<EtcdDirectory>> make_etcd_directory(Loop &loop, Directory::Client &client,
                                                           EtcdOptions options);

} // namespace xvtep::agent
