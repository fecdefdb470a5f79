// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/metrics_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "user/base/fd.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class MetricsHttp : public ::testing::Test {
  protected:
    MetricsHttp()
    {
        // A port that is free.
        for (port_ = 20000 + ::getpid() % 20000; !server_ && port_ < 60000; port_++) {
            auto started = MetricsServer::start(fmt::format("127.0.0.1:{}", port_), metrics_);
            if (started)
                server_ = std::move(*started);
            else
                EXPECT_EQ(started.error().code, EADDRINUSE) << started.error().message();
        }
        port_--;
    }

    [[nodiscard]] Fd connect() const
    {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockaddr generic{};
        static_assert(sizeof(address) == sizeof(generic));
        std::memcpy(&generic, &address, sizeof(address));
        EXPECT_EQ(::connect(socket.get(), &generic, sizeof(generic)), 0);
        return socket;
    }
    static void send(const Fd &to, const std::string &text)
    {
        EXPECT_EQ(::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    // Until the other end closes.
    static std::string rest(const Fd &from, std::chrono::milliseconds most = 10s)
    {
        std::string text;
        std::array<char, 65536> chunk{};
        const auto until = Clock::now() + most;
        while (Clock::now() < until) {
            pollfd ready{from.get(), POLLIN, 0};
            if (::poll(&ready, 1, 100) <= 0)
                continue;
            const auto size = ::recv(from.get(), chunk.data(), chunk.size(), 0);
            if (size <= 0)
                return text;
            text.append(chunk.data(), static_cast<std::size_t>(size));
        }
        return text + " and is open";
    }
    [[nodiscard]] std::string ask(const std::string &request) const
    {
        const Fd socket = connect();
        send(socket, request);
        return rest(socket);
    }

    Metrics metrics_;
    std::unique_ptr<MetricsServer> server_;
    int port_ = 0;
};

TEST_F(MetricsHttp, Answers)
{
    metrics_.found = 7;
    const auto metrics = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(
        metrics.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"))
        << metrics;
    const auto body = metrics.substr(metrics.find("\r\n\r\n") + 4);
    EXPECT_EQ(body, metrics_.text());
    EXPECT_TRUE(metrics.contains(fmt::format("\r\nContent-Length: {}\r\n", body.size())));
    EXPECT_TRUE(ask("GET /healthz?x HTTP/1.0\n\n").ends_with("\r\n\r\nok\n"));
    EXPECT_TRUE(ask("HEAD /healthz HTTP/1.1\r\n\r\n")
                    .ends_with("Content-Length: 3\r\nConnection: close\r\n\r\n"));
    for (const auto &[request, status] :
         {std::pair("GET / HTTP/1.1\r\n\r\n", "404"),
          std::pair("POST /metrics HTTP/1.1\r\n\r\n", "405"), std::pair("nonsense\r\n\r\n", "400"),
          std::pair("\r\n\r\n", "400"), std::pair("GET /healthz\r\n\r\n", "400")})
        EXPECT_EQ(ask(request).substr(9, 3), status) << request;
    EXPECT_EQ(ask("GET /" + std::string(9000, 'x')).substr(9, 3), "431");
}

TEST_F(MetricsHttp, TakesItsAddressAlone)
{
    const auto second = MetricsServer::start(fmt::format("127.0.0.1:{}", port_), metrics_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message(),
              fmt::format("metrics 127.0.0.1:{}: address already in use", port_));
}

// Whoever sends half a request, or a byte now and then, keeps nobody else from an answer.
TEST_F(MetricsHttp, HalfSentRequestsHoldUpNobodyAndEnd)
{
    std::vector<Fd> halves;
    for (int i = 0; i < 300; i++) {
        halves.push_back(connect());
        send(halves.back(), "GET /metrics HT");
    }
    const auto began = Clock::now();
    for (int i = 0; i < 20; i++)
        EXPECT_TRUE(ask("GET /healthz HTTP/1.1\r\n\r\n").ends_with("ok\n"));
    EXPECT_LT(Clock::now() - began, 1s);
    EXPECT_EQ(rest(halves.front(), 1s), "") << "the oldest had to go";
    while (Clock::now() < began + 4s) { // slowly on
        (void)::send(halves.back().get(), "x", 1, MSG_NOSIGNAL);
        ::usleep(200'000);
    }
    EXPECT_EQ(rest(halves.back(), 3s), "") << "the time it had is over";
}

} // namespace
} // namespace xvtep::agent
