// SPDX-License-Identifier: GPL-2.0-only
// The peer "ovs": Open vSwitch with its datapath in user space. Its daemons, database and sockets
// are an end's own and go with it.
#pragma once

#include <string>

#include "bench/peers.h"

namespace xvtep::bench {

// "", or why it cannot be had here.
std::string missing_ovs();

// The bridge "phy" has the underlay port and its address; "br0" the container's and the tunnel's.
Result<> build_ovs(End &end);

// An end's processes poll and take all of a core: they run while this lives, and otherwise stand
// still. Of other systems' ends this does nothing.
class Awake {
  public:
    explicit Awake(const End &end);
    Awake(const Awake &) = delete;
    Awake &operator=(const Awake &) = delete;
    ~Awake();

  private:
    std::shared_ptr<Ovs> ovs_;
};

} // namespace xvtep::bench
