// SPDX-License-Identifier: GPL-2.0-only
// Traffic that goes on while a command runs, and what of it is lost.
#pragma once

#include <netinet/tcp.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/netns_case.h"
#include "tests/support/sockets.h"

namespace xvtep::test {

// `ping` with an interval of 5 ms.
class Pinger {
  public:
    Pinger(const std::string &host, const std::string &to) : to_(to)
    {
        const std::string command =
            fmt::format("exec ip netns exec {} ping -q -i 0.005 {} 2>&1", host, to);
        // The shell becomes the program whose number it says first.
        pipe_ = ::popen(("echo $$; " + command).c_str(), "r");
        EXPECT_EQ(std::fscanf(pipe_, "%d", &pid_), 1);
    }
    Pinger(const Pinger &) = delete;
    Pinger &operator=(const Pinger &) = delete;
    ~Pinger() { end(); }

    // How many were sent, and how many of them were not answered.
    std::pair<int, int> end()
    {
        if (pipe_ == nullptr)
            return result_;
        ::usleep(20'000);
        ::kill(pid_, SIGINT);
        std::string text;
        std::array<char, 4096> chunk{};
        while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe_))
            text.append(chunk.data(), size);
        ::pclose(pipe_);
        pipe_ = nullptr;
        int sent = 0, received = 0;
        const auto at = text.find(" packets transmitted");
        const auto line = at == std::string::npos ? 0 : text.rfind('\n', at);
        std::sscanf(text.c_str() + line + 1, "%d packets transmitted, %d received", &sent,
                    &received);
        result_ = {sent, sent - received};
        return result_;
    }
    // The last one may be on its way when it ends.
    void expect_none_lost()
    {
        const auto [sent, lost] = end();
        EXPECT_GT(sent, 10) << to_;
        EXPECT_LE(lost, 1) << to_ << ": of " << sent;
    }

  private:
    std::string to_;
    std::FILE *pipe_ = nullptr;
    int pid_ = 0;
    std::pair<int, int> result_;
};

// A TCP connection on which 1,000 bytes go every millisecond: what is lost is sent again, and seen.
class TcpFlow {
  public:
    TcpFlow(const std::string &from, const std::string &to, const std::string &address)
    {
        const SocketAddress at(address, 5002);
        listener_ = socket_in(to, at.family(), SOCK_STREAM);
        client_ = socket_in(from, at.family(), SOCK_STREAM);
        const int on = 1;
        ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        set_timeouts(client_, milliseconds(3000));
        EXPECT_EQ(::bind(listener_.get(), at.get(), at.size), 0) << std::strerror(errno);
        EXPECT_EQ(::listen(listener_.get(), 1), 0);
        EXPECT_EQ(::connect(client_.get(), at.get(), at.size), 0) << std::strerror(errno);
        server_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        set_timeouts(server_, milliseconds(3000));
        before_ = resent();
        sender_ = std::thread([this] { send(); });
        receiver_ = std::thread([this] { receive(); });
    }
    TcpFlow(const TcpFlow &) = delete;
    TcpFlow &operator=(const TcpFlow &) = delete;
    ~TcpFlow() { end(); }

    void expect_none_lost()
    {
        const unsigned again = end();
        EXPECT_GT(sent_, 10'000U);
        EXPECT_EQ(received_, sent_);
        EXPECT_EQ(again, 0U) << "segments were sent again";
    }

  private:
    [[nodiscard]] unsigned resent() const
    {
        tcp_info info{};
        socklen_t size = sizeof(info);
        ::getsockopt(client_.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
        return info.tcpi_total_retrans;
    }
    void send()
    {
        const std::array<char, 1000> data{};
        while (!stop_) {
            const ssize_t size = ::send(client_.get(), data.data(), data.size(), MSG_NOSIGNAL);
            if (size <= 0)
                break;
            sent_ += static_cast<std::size_t>(size);
            ::usleep(1000);
        }
        ::shutdown(client_.get(), SHUT_WR);
    }
    void receive()
    {
        std::array<char, 1 << 16> data{};
        for (ssize_t size = 1; size > 0;) {
            size = ::recv(server_.get(), data.data(), data.size(), 0);
            received_ += size > 0 ? static_cast<std::size_t>(size) : 0;
        }
    }
    unsigned end()
    {
        if (!sender_.joinable())
            return again_;
        stop_ = true;
        sender_.join();
        receiver_.join();
        again_ = resent() - before_;
        return again_;
    }

    Fd listener_, client_, server_;
    std::atomic<bool> stop_ = false;
    std::size_t sent_ = 0, received_ = 0;
    unsigned before_ = 0, again_ = 0;
    std::thread sender_, receiver_;
};

// Frames to one MAC, each from another source: 02:PREFIX:..., `every` apart.
class NewSources {
  public:
    NewSources(const std::string &host, const std::string &to, std::uint8_t prefix,
               std::chrono::microseconds every, unsigned most = 8000)
        : prefix_(prefix)
    {
        socket_ = socket_in(host, AF_PACKET, SOCK_RAW);
        {
            const auto netns = Netns::open(host);
            const auto scope = netns->enter();
            at_.sll_family = AF_PACKET;
            at_.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
        }
        sender_ = std::thread([this, to = *Mac::parse(to), every, most] {
            for (auto next = Clock::now(); !stop_ && sent_ < most; next += every) {
                std::this_thread::sleep_until(next);
                send(to);
            }
        });
    }
    NewSources(const NewSources &) = delete;
    NewSources &operator=(const NewSources &) = delete;
    ~NewSources() { end(); }

    unsigned end()
    {
        stop_ = true;
        if (sender_.joinable())
            sender_.join();
        return sent_;
    }
    // The source of the nth frame.
    [[nodiscard]] std::string source(unsigned n) const
    {
        return fmt::format("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", prefix_, n >> 24, n >> 16 & 255,
                           n >> 8 & 255, n & 255);
    }

  private:
    void send(const Mac &to)
    {
        std::array<std::uint8_t, 60> frame{};
        std::ranges::copy(to.octets, frame.begin());
        frame[6] = 2;
        frame[7] = prefix_;
        const std::uint32_t number = htonl(sent_);
        std::memcpy(&frame[8], &number, 4);
        frame[12] = 0x88;
        frame[13] = 0xb5;
        const auto *const address = static_cast<const sockaddr *>(static_cast<const void *>(&at_));
        if (::sendto(socket_.get(), frame.data(), frame.size(), 0, address, sizeof(at_)) > 0)
            sent_++;
    }

    std::uint8_t prefix_;
    Fd socket_;
    sockaddr_ll at_{};
    std::atomic<bool> stop_ = false;
    std::atomic<unsigned> sent_ = 0;
    std::thread sender_;
};

} // namespace xvtep::test
