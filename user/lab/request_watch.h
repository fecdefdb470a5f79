// SPDX-License-Identifier: GPL-2.0-only
// Counts the VXLAN frames that pass a switch, and the ARP requests and neighbour solicitations in
// them.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "user/base/result.h"
#include "user/lab/capture.h"
#include "user/lab/node.h"

namespace xvtep {

class RequestWatch {
  public:
    struct Counts {
        unsigned frames = 0; // in VXLAN
        unsigned arp = 0, solicitations = 0;
    };

    // Counts at all ports of the switch, from now on. A thread reads the socket, so that it does
    // not overflow.
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
