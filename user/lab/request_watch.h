// SPDX-License-Identifier: GPL-2.0-only
// Counts what a switch sees of the tunnels' traffic, and the ARP requests and neighbour
// solicitations in it.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "user/base/result.h"
#include "user/lab/build.h"
#include "user/lab/capture.h"

namespace xvtep {

class RequestWatch {
  public:
    struct Counts {
        unsigned frames = 0; // in VXLAN
        unsigned arp = 0, solicitations = 0;
    };

    // Of all of a switch's ports, from now on. A thread of its own keeps the socket empty.
    static Result<std::unique_ptr<RequestWatch>> open(LabNode &node);
    Counts counts();

  private:
    explicit RequestWatch(Capture capture);
    void read();

    std::mutex mutex_;
    Capture capture_;
    Counts counts_;
    std::jthread thread_;
};

} // namespace xvtep
