// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/port_sockets.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

constexpr unsigned frames_at_once = 256; // then other descriptors have a turn

} // namespace

PortSockets::~PortSockets()
{
    for (const auto &[ifindex, port] : ports_)
        loop_.forget(port.socket.get());
}

void PortSockets::set(const std::map<int, std::string> &devices)
{
    std::erase_if(ports_, [&](const auto &port) {
        const auto device = devices.find(port.first);
        const bool gone = device == devices.end() || device->second != port.second.device;
        if (gone)
            loop_.forget(port.second.socket.get());
        return gone;
    });
    for (const auto &[ifindex, device] : devices) {
        if (ports_.contains(ifindex))
            continue;
        auto socket = open_snoop(ifindex);
        if (!socket) {
            log_warning("{}: {}", device, socket.error().message());
            continue;
        }
        const auto &port = ports_[ifindex] = {device, std::move(*socket)};
        loop_.watch(port.socket.get(), EPOLLIN, [this, index = ifindex](std::uint32_t) {
            const auto at = ports_.find(index);
            if (at != ports_.end())
                read_snoop(at->second.socket, frames_at_once,
                           [&](const Heard &what) { heard_(index, at->second.device, what); });
        });
    }
}

void PortSockets::send(int ifindex, std::span<const std::uint8_t> frame) const
{
    const auto port = ports_.find(ifindex);
    if (port != ports_.end())
        (void)::send(port->second.socket.get(), frame.data(), frame.size(), 0);
}

} // namespace xvtep::agent
