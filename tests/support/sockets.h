// SPDX-License-Identifier: GPL-2.0-only
// Sockets of this process in the namespaces of a test: what is sent, and what arrives.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/program/packet.h"
#include "user/base/fd.h"
#include "xvtep/ip.h"
#include "xvtep/netns.h"

namespace xvtep::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline Fd socket_in(const std::string &host, int family, int type)
{
    const auto netns = Netns::open(host);
    const auto scope = netns->enter();
    Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(fd) << host << ": " << std::strerror(errno);
    return fd;
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    SocketAddress(const std::string &address, std::uint16_t port)
    {
        const Ip ip = *Ip::parse(address);
        if (ip.is_v4()) {
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(port);
            std::memcpy(&to.sin_addr, ip.bytes(), 4);
            std::memcpy(&storage, &to, size = sizeof(to));
        } else {
            sockaddr_in6 to{};
            to.sin6_family = AF_INET6;
            to.sin6_port = htons(port);
            std::memcpy(&to.sin6_addr, ip.bytes(), 16);
            std::memcpy(&storage, &to, size = sizeof(to));
        }
    }
    [[nodiscard]] int family() const { return storage.ss_family; }
    [[nodiscard]] const sockaddr *get() const
    {
        return static_cast<const sockaddr *>(static_cast<const void *>(&storage));
    }
};

inline void set_timeouts(const Fd &socket, milliseconds limit)
{
    const timeval time{.tv_sec = limit.count() / 1000, .tv_usec = limit.count() % 1000 * 1000};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
}

// The same at the start of each datagram, so that a piece of another one is seen.
inline std::uint8_t content(std::size_t at)
{
    return static_cast<std::uint8_t>(at * 31 + (at >> 8));
}

// Datagrams as the sender cut them: how many of each size.
struct Datagrams {
    std::map<std::size_t, int> sizes{};
    int wrong = 0; // with other content than was sent

    friend bool operator==(const Datagrams &, const Datagrams &) = default;
    friend void PrintTo(const Datagrams &datagrams, std::ostream *out)
    {
        *out << "{";
        for (const auto &[size, count] : datagrams.sizes)
            *out << " " << size << ": " << count;
        *out << " } wrong " << datagrams.wrong;
    }
};

// A UDP socket that listens from the start on; with `gro` it takes several datagrams in a read.
class UdpEar {
  public:
    UdpEar(const std::string &host, const std::string &address, std::uint16_t port,
           bool gro = false)
        : socket_(socket_in(host, SocketAddress(address, port).family(), SOCK_DGRAM))
    {
        const int buffer = 16 << 20, on = 1;
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
        if (gro) {
            EXPECT_EQ(::setsockopt(socket_.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
        }
        const SocketAddress at(address, port);
        EXPECT_EQ(::bind(socket_.get(), at.get(), at.size), 0) << address << std::strerror(errno);
    }

    // What has come: returns soon after `wanted` datagrams, or after a while without one.
    Datagrams hear(int wanted)
    {
        for (;;) {
            const bool all = count_ >= wanted;
            pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, all ? 50 : 700) <= 0 || !read())
                return heard_;
        }
    }
    [[nodiscard]] int reads() const { return reads_; }

  private:
    bool read()
    {
        iovec piece{.iov_base = data_.data(), .iov_len = data_.size()};
        alignas(cmsghdr) std::array<char, 64> control{};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
        if (got <= 0)
            return false;
        reads_++;
        const auto size = static_cast<std::size_t>(got);
        std::size_t segment = size;
        for (cmsghdr *c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
            if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
                int value = 0;
                std::memcpy(&value, CMSG_DATA(c), sizeof(value));
                segment = static_cast<std::size_t>(value);
            }
        for (std::size_t from = 0; from < size; from += segment) {
            const std::size_t length = std::min(segment, size - from);
            heard_.sizes[length]++;
            count_++;
            for (std::size_t i = 0; i < length; i++)
                if (data_[from + i] != content(i)) {
                    heard_.wrong++;
                    break;
                }
        }
        return true;
    }

    Fd socket_;
    Datagrams heard_;
    int count_ = 0, reads_ = 0;
    std::vector<std::uint8_t> data_ = std::vector<std::uint8_t>(1 << 17);
};

// `count` datagrams of `segment` bytes, in one packet for the first devices (UDP GSO) or singly.
inline void send_datagrams(const std::string &host, const std::string &address, std::uint16_t port,
                           std::size_t segment, int count, bool gso = true)
{
    const SocketAddress to(address, port);
    const Fd socket = socket_in(host, to.family(), SOCK_DGRAM);
    set_timeouts(socket, milliseconds(2000));
    std::vector<std::uint8_t> data(segment * static_cast<std::size_t>(gso ? count : 1));
    for (std::size_t i = 0; i < data.size(); i++)
        data[i] = content(i % segment);
    const int size = static_cast<int>(segment);
    if (gso) {
        ASSERT_EQ(::setsockopt(socket.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
    }
    ASSERT_EQ(::connect(socket.get(), to.get(), to.size), 0) << address << std::strerror(errno);
    for (int n = 0; n < (gso ? 1 : count); n++)
        ASSERT_EQ(::send(socket.get(), data.data(), data.size(), 0),
                  static_cast<ssize_t>(data.size()))
            << segment << " x " << count << ": " << std::strerror(errno);
}

struct Stream {
    std::size_t bytes = 0;
    double seconds = 0;
    bool wrong = false; // other content arrived than was sent
    [[nodiscard]] double gbit() const { return static_cast<double>(bytes) * 8 / seconds / 1e9; }
};

// One TCP stream: ends when all has arrived, or at the limit.
inline Stream tcp_stream(const std::string &from, const std::string &to, const std::string &address,
                         std::size_t bytes, milliseconds limit = milliseconds(4000))
{
    const SocketAddress at(address, 5001);
    const Fd listener = socket_in(to, at.family(), SOCK_STREAM);
    const Fd client = socket_in(from, at.family(), SOCK_STREAM);
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    for (const Fd *socket : {&listener, &client})
        set_timeouts(*socket, limit / 2);
    Stream stream{.seconds = 1};
    if (::bind(listener.get(), at.get(), at.size) != 0 || ::listen(listener.get(), 1) != 0 ||
        ::connect(client.get(), at.get(), at.size) != 0)
        return stream;
    const Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!server)
        return stream;
    constexpr std::size_t period = 1 << 18;
    std::thread sender([&] {
        std::vector<std::uint8_t> data(period);
        for (std::size_t i = 0; i < period; i++)
            data[i] = content(i);
        for (std::size_t sent = 0; sent < bytes;) {
            const ssize_t size =
                ::send(client.get(), &data[sent % period],
                       std::min(period - sent % period, bytes - sent), MSG_NOSIGNAL);
            if (size <= 0)
                return;
            sent += static_cast<std::size_t>(size);
        }
    });
    set_timeouts(server, milliseconds(100));
    const auto start = Clock::now();
    std::vector<std::uint8_t> data(period);
    while (stream.bytes < bytes && Clock::now() - start < limit) {
        const ssize_t size = ::recv(server.get(), data.data(), period, 0);
        if (size == 0)
            break;
        for (ssize_t i = 0; i < size; i += 97) // all of it takes longer than the transfer
            if (data[static_cast<std::size_t>(i)] !=
                content((stream.bytes + static_cast<std::size_t>(i)) % period))
                stream.wrong = true;
        stream.bytes += size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    stream.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    ::shutdown(client.get(), SHUT_RDWR);
    sender.join();
    return stream;
}

// As linux/virtio_net.h has it, which no C++ compiler takes.
struct VnetHeader {
    static constexpr std::uint8_t needs_checksum = 1;
    static constexpr std::uint8_t tcp_v4 = 1, tcp_v6 = 4, udp = 5; // types
    std::uint8_t flags, type;
    std::uint16_t header_size, segment_size, checksum_start, checksum_offset;
};

// A packet to be segmented by whoever needs it in pieces, as a virtual machine hands it over.
struct Segmentation {
    std::uint8_t type; // VnetHeader's
    std::uint16_t size;
    std::uint16_t headers;        // in front of the payload, Ethernet's included
    std::uint16_t checksum_start; // of the transport header
    std::uint16_t checksum_offset;
};

// Puts frames on a device as they are. The kernel waits for a grace period when such a socket is
// closed: one for many frames saves as many waits. It keeps the namespace alive.
class RawPort {
  public:
    RawPort(const std::string &host, std::string device)
        : device_(std::move(device)), socket_(socket_in(host, AF_PACKET, SOCK_RAW))
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        to_.sll_family = AF_PACKET;
        to_.sll_ifindex = static_cast<int>(::if_nametoindex(device_.c_str()));
    }

    // `segmentation` may leave segments and checksums to others.
    void send(const Bytes &frame, const Segmentation *segmentation = nullptr) const
    {
        Bytes all;
        if (segmentation != nullptr) {
            const int on = 1;
            ASSERT_EQ(::setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
            const VnetHeader header{.flags = VnetHeader::needs_checksum,
                                    .type = segmentation->type,
                                    .header_size = segmentation->headers,
                                    .segment_size = segmentation->size,
                                    .checksum_start = segmentation->checksum_start,
                                    .checksum_offset = segmentation->checksum_offset};
            all.resize(sizeof(header));
            std::memcpy(all.data(), &header, sizeof(header));
        }
        put(all, frame);
        const sockaddr *address = static_cast<const sockaddr *>(static_cast<const void *>(&to_));
        ASSERT_EQ(::sendto(socket_.get(), all.data(), all.size(), 0, address, sizeof(to_)),
                  static_cast<ssize_t>(all.size()))
            << device_ << ": " << std::strerror(errno);
    }

  private:
    std::string device_;
    Fd socket_;
    sockaddr_ll to_{};
};

// A single frame.
inline void send_raw(const std::string &host, const std::string &device, const Bytes &frame,
                     const Segmentation *segmentation = nullptr)
{
    RawPort(host, device).send(frame, segmentation);
}

// A virtual machine's network device: a tap, whose reader takes packets whole that are to be
// segmented where the kernel can hand them over so.
class Tap {
  public:
    Tap(const std::string &host, const std::string &name)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        fd_.reset(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
        ifreq request{};
        name.copy(static_cast<char *>(request.ifr_name), IFNAMSIZ - 1);
        request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        EXPECT_EQ(::ioctl(fd_.get(), TUNSETIFF, &request), 0) << name << std::strerror(errno);
        constexpr unsigned uso = 0x20 | 0x40; // TUN_F_USO4, TUN_F_USO6: Linux 6.2
        constexpr unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
        takes_udp_gso_ = ::ioctl(fd_.get(), TUNSETOFFLOAD, tso | uso) == 0;
        if (!takes_udp_gso_) {
            EXPECT_EQ(::ioctl(fd_.get(), TUNSETOFFLOAD, tso), 0) << std::strerror(errno);
        }
    }

    struct Frame {
        VnetHeader header{};
        Bytes bytes;
    };
    // All that come for `address` within the time; not what the network floods.
    std::vector<Frame> hear(const Mac &address, std::size_t wanted,
                            milliseconds patience = milliseconds(1000))
    {
        std::vector<Frame> heard;
        Bytes data(1 << 17);
        auto deadline = Clock::now() + patience;
        while (Clock::now() < deadline) {
            pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, 20) <= 0)
                continue;
            const ssize_t size = ::read(fd_.get(), data.data(), data.size());
            Frame frame;
            if (size < static_cast<ssize_t>(sizeof(frame.header) + 14))
                continue;
            std::memcpy(&frame.header, data.data(), sizeof(frame.header));
            frame.bytes.assign(data.begin() + sizeof(frame.header), data.begin() + size);
            if (!std::equal(address.octets.begin(), address.octets.end(), frame.bytes.begin()))
                continue;
            heard.push_back(std::move(frame));
            if (heard.size() == wanted) // a little longer, for more than was asked for
                deadline = std::min(deadline, Clock::now() + milliseconds(50));
        }
        return heard;
    }
    void send(const Bytes &frame) const
    {
        Bytes all(sizeof(VnetHeader));
        put(all, frame);
        EXPECT_EQ(::write(fd_.get(), all.data(), all.size()), static_cast<ssize_t>(all.size()));
    }
    [[nodiscard]] bool takes_udp_gso() const { return takes_udp_gso_; }

  private:
    Fd fd_;
    bool takes_udp_gso_ = false;
};

} // namespace xvtep::test
