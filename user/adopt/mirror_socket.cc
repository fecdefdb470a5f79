// SPDX-License-Identifier: GPL-2.0-only
#include "user/adopt/mirror_socket.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace xvtep::adopt {
namespace {

constexpr int buffer_size = 4 << 20;

} // namespace

Result<MirrorSocket> MirrorSocket::open(int filter_fd)
{
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!socket)
        return errno_failure("open", "rtnetlink", errno);
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_BPF, &filter_fd, sizeof(filter_fd)) != 0)
        return errno_failure("filter", "rtnetlink", errno);
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_size, sizeof(buffer_size));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
        return errno_failure("listen to", "rtnetlink", errno);
    return MirrorSocket(std::move(socket));
}

Result<bool> MirrorSocket::drain(const std::function<void(const nlmsghdr &)> &each) const
{
    alignas(nlmsghdr) std::array<char, 65536> buffer;
    bool complete = true;
    for (;;) {
        const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
        if (size < 0 && errno == ENOBUFS) {
            complete = false;
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return complete;
        if (size < 0)
            return errno_failure("read", "rtnetlink", errno);
        if (static_cast<std::size_t>(size) > buffer.size()) {
            complete = false;
            continue;
        }
        auto left = static_cast<int>(size);
        for (const auto *message = reinterpret_cast<const nlmsghdr *>(buffer.data());
             NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
            each(*message);
    }
}

} // namespace xvtep::adopt
