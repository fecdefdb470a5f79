// SPDX-License-Identifier: GPL-2.0-only
// A directory in etcd (its v3 JSON gateway; made for etcd 3.4 and later):
//   PREFIX/VNI/ip/IP     and PREFIX/VNI/mac/MAC  →  the JSON of record.h
// A MAC with several IPs has a key for each and one for itself, whose record has no IP.
#pragma once

#include <memory>

#include "user/agent/directory.h"
#include "user/agent/etcd/client.h"
#include "user/agent/etcd/options.h"

namespace xvtep::agent {

// A Directory that also counts.
//
// Look-ups that run out of EtcdOptions::timeout get an error; no call blocks. What is announced
// stays for EtcdOptions::lease_ttl after its host has died or the object is destroyed; who leaves
// in order announces an empty set and runs the loop until settled(). The user of an etcd with
// authentication needs to read and, for announcements, write all keys of the prefix. Logs changes
// of state through spdlog, never the password.
class EtcdDirectory : public Directory {
  public:
    [[nodiscard]] virtual const EtcdCounters &counters() const = 0;
    [[nodiscard]] virtual bool settled() const = 0; // all announcements are as they should be
};

// `loop` and `client` outlive it; it is not to be destroyed within a callback. Fails for options
// that cannot work; a cluster that cannot be reached is no failure, it is asked again and again.
Result<std::unique_ptr<EtcdDirectory>> make_etcd_directory(Loop &loop, Directory::Client &client,
                                                           EtcdOptions options);

} // namespace xvtep::agent
