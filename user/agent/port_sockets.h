// SPDX-License-Identifier: GPL-2.0-only
// A packet socket at each local port, which hears ARP and neighbour discovery and sends answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "user/agent/loop.h"
#include "user/agent/snoop.h"
#include "user/base/fd.h"

namespace xvtep::agent {

class PortSockets {
  public:
    using OnHeard = std::function<void(int ifindex, const std::string &device, const Heard &heard)>;

    PortSockets(Loop &loop, OnHeard heard) : loop_(loop), heard_(std::move(heard)) {}
    ~PortSockets();
    PortSockets(const PortSockets &) = delete;
    PortSockets &operator=(const PortSockets &) = delete;

    // Opens and closes sockets so that there is one at each of these devices, by ifindex.
    void set(const std::map<int, std::string> &devices);
    // Sends a frame out of the device, if it has a socket. A frame may be lost.
    void send(int ifindex, std::span<const std::uint8_t> frame) const;
    [[nodiscard]] bool contains(int ifindex) const { return ports_.contains(ifindex); }

  private:
    struct Port {
        std::string device;
        Fd socket;
    };

    Loop &loop_;
    OnHeard heard_;
    std::map<int, Port> ports_;
};

} // namespace xvtep::agent
