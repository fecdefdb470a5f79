// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/link_events.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace xvtep::agent {

using namespace std::chrono_literals;

Result<std::unique_ptr<LinkEvents>> LinkEvents::open(Loop &loop, std::function<void()> changed)
{
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
        return errno_failure("watch", "links", errno);
    return std::unique_ptr<LinkEvents>(new LinkEvents(loop, std::move(socket), std::move(changed)));
}

LinkEvents::LinkEvents(Loop &loop, Fd socket, std::function<void()> changed)
    : loop_(loop), socket_(std::move(socket)), changed_(std::move(changed))
{
    loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t) { drain(); });
}

LinkEvents::~LinkEvents()
{
    loop_.forget(socket_.get());
    loop_.cancel(timer_);
}

void LinkEvents::drain()
{
    // The messages' content does not matter, nor that some were lost: everything is read again.
    std::array<char, 8192> message{};
    while (::recv(socket_.get(), message.data(), message.size(), 0) > 0 || errno == ENOBUFS) {
    }
    if (!std::exchange(waiting_, true))
        timer_ = loop_.after(
            std::max<Loop::Clock::duration>(5ms, last_ + 100ms - Loop::Clock::now()), [this] {
                last_ = Loop::Clock::now();
                waiting_ = false;
                changed_();
            });
}

} // namespace xvtep::agent
