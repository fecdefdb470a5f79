// SPDX-License-Identifier: GPL-2.0-only
// Many frames at once, as a hostile container or host sends them.
#pragma once

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/sockets.h"

namespace xvtep::test {

// Sends `count` frames out of `device`, each a copy of `frame` that `change` has given its number.
// Frames that the device's queue does not take are sent again.
inline void blast(const std::string &host, const std::string &device, unsigned count,
                  const Bytes &frame, const std::function<void(Bytes &, std::uint32_t)> &change)
{
    const auto netns = Netns::open(host);
    const auto scope = netns->enter();
    const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(socket) << std::strerror(errno);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
    constexpr unsigned batch = 64;
    std::vector<Bytes> frames(batch, frame);
    std::array<iovec, batch> parts{};
    std::array<mmsghdr, batch> messages{};
    for (unsigned i = 0; i < batch; i++) {
        parts[i] = {frames[i].data(), frames[i].size()};
        messages[i].msg_hdr.msg_name = &to;
        messages[i].msg_hdr.msg_namelen = sizeof(to);
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned at = 0; at < count; at += batch) {
        const unsigned some = std::min(batch, count - at);
        for (unsigned i = 0; i < some; i++)
            change(frames[i], at + i);
        for (unsigned done = 0, refused = 0; done < some;) {
            const int got = ::sendmmsg(socket.get(), messages.data() + done, some - done, 0);
            if (got > 0) {
                done += static_cast<unsigned>(got);
                continue;
            }
            ASSERT_TRUE(errno == ENOBUFS && refused++ < 10'000) << std::strerror(errno);
            ::usleep(100);
        }
    }
}

// Writes a number into four octets of a frame.
inline void write_number(Bytes &frame, std::size_t at, std::uint32_t number)
{
    const std::uint32_t octets = htonl(number);
    std::memcpy(frame.data() + at, &octets, sizeof(octets));
}

} // namespace xvtep::test
