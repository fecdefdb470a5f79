// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/metrics_server.h"

#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "user/agent/loop.h"
#include "user/agent/privileges.h"
#include "user/base/fd.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 5s;                 // for one connection, from its first to its last byte
constexpr std::size_t connections_most = 128; // when there are more, the oldest is closed
constexpr std::size_t request_max = 8192;

// `method`: HEAD wants the headers without the body.
std::string response(std::string_view method, std::string_view status, std::string_view type,
                     std::string_view body)
{
    return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                       "Connection: close\r\n\r\n{}",
                       status, type, body.size(), method == "HEAD" ? "" : body);
}

std::string answer(std::string_view request, const Metrics &metrics)
{
    const auto line = request.substr(0, request.find_first_of("\r\n"));
    const auto space = line.find(' ');
    const auto end = line.find(' ', space + 1);
    const auto method = line.substr(0, space);
    const auto plain = [&](std::string_view status, std::string_view body) {
        return response(method, status, "text/plain", body);
    };
    if (space == std::string_view::npos || end == std::string_view::npos ||
        !line.substr(end + 1).starts_with("HTTP/1."))
        return plain("400 Bad Request", "not HTTP\n");
    if (method != "GET" && method != "HEAD")
        return plain("405 Method Not Allowed", "GET alone\n");
    auto path = line.substr(space + 1, end - space - 1);
    path = path.substr(0, path.find('?'));
    if (path == "/metrics")
        return response(method, "200 OK", "text/plain; version=0.0.4", metrics.text());
    if (path == "/healthz")
        return plain("200 OK", "ok\n");
    return plain("404 Not Found", "/metrics and /healthz are here\n");
}

Result<Fd> listen_at(const std::string &address, const std::string &host, const std::string &port)
{
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo *all = nullptr;
    if (const int error =
            ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &wanted, &all);
        error != 0)
        return system_failure("metrics", address, ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo *)> owned(all, &::freeaddrinfo);
    int error = EADDRNOTAVAIL;
    // Without a host, a socket at IPv6's wildcard address takes IPv4 as well.
    for (const bool v6_first : {true, false})
        for (const addrinfo *one = all; one != nullptr; one = one->ai_next) {
            if ((one->ai_family == AF_INET6) != v6_first)
                continue;
            Fd socket(::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const int on = 1, off = 0;
            if (socket) {
                ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                if (one->ai_family == AF_INET6)
                    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
                if (::bind(socket.get(), one->ai_addr, one->ai_addrlen) == 0 &&
                    ::listen(socket.get(), SOMAXCONN) == 0)
                    return socket;
            }
            error = errno;
        }
    return errno_failure("metrics", address, error);
}

} // namespace

// All connections share one thread, and none of them waits for another.
struct MetricsServer::Impl {
    struct Connection {
        Fd socket;
        std::string in, out;
        Loop::Timer deadline{};
    };
    using Id = std::uint64_t; // grows with each connection

    Impl(Loop made, Fd listener, Fd stop, const Metrics &metrics)
        : loop_(std::move(made)), listener_(std::move(listener)), stop_(std::move(stop)),
          metrics_(metrics)
    {
        loop_.watch(stop_.get(), EPOLLIN, [this](std::uint32_t) { loop_.stop(); });
        listen();
        thread_ = std::thread([this] {
            drop_all_privileges();
            loop_.run();
        });
    }
    ~Impl()
    {
        ::eventfd_write(stop_.get(), 1);
        thread_.join();
    }
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;

  private:
    void listen()
    {
        loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
    }

    void accept_one()
    {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        const bool full = !socket && (errno == EMFILE || errno == ENFILE);
        if (!connections_.empty() && (full || connections_.size() >= connections_most))
            close(connections_.begin()->first);
        else if (full) { // other parts of the process use all descriptors
            loop_.forget(listener_.get());
            loop_.after(100ms, [this] { listen(); });
        }
        if (!socket)
            return;
        const Id id = next_++;
        auto &connection = connections_[id];
        connection.socket = std::move(socket);
        connection.deadline = loop_.after(patience, [this, id] { close(id); });
        loop_.watch(connection.socket.get(), EPOLLIN, [this, id](std::uint32_t) { read(id); });
    }

    void close(Id id)
    {
        const auto at = connections_.find(id);
        loop_.cancel(at->second.deadline);
        loop_.forget(at->second.socket.get());
        connections_.erase(at);
    }

    void read(Id id)
    {
        auto &connection = connections_.at(id);
        std::array<char, 4096> chunk{};
        const auto size = ::recv(connection.socket.get(), chunk.data(), chunk.size(), 0);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size <= 0)
            return close(id);
        connection.in.append(chunk.data(), static_cast<std::size_t>(size));
        if (connection.in.contains("\r\n\r\n") || connection.in.contains("\n\n"))
            connection.out = answer(connection.in, metrics_);
        else if (connection.in.size() > request_max)
            connection.out =
                response("GET", "431 Request Header Fields Too Large", "text/plain", "");
        else
            return;
        loop_.watch(connection.socket.get(), EPOLLOUT, [this, id](std::uint32_t) { write(id); });
    }

    void write(Id id)
    {
        auto &connection = connections_.at(id);
        const auto size = ::send(connection.socket.get(), connection.out.data(),
                                 connection.out.size(), MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size > 0)
            connection.out.erase(0, static_cast<std::size_t>(size));
        if (size < 0 || connection.out.empty())
            close(id);
    }

    Loop loop_;
    Fd listener_, stop_;
    const Metrics &metrics_;
    std::map<Id, Connection> connections_;
    Id next_ = 0;
    std::thread thread_;
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl))
{
}
MetricsServer::~MetricsServer() = default;

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string &address,
                                                            const Metrics &metrics)
{
    const auto colon = address.rfind(':');
    int port = 0;
    const char *end = address.data() + address.size();
    if (colon == std::string::npos ||
        std::from_chars(address.data() + colon + 1, end, port).ptr != end || port < 1 ||
        port > 0xffff)
        return usage_failure("metrics", address, "not ADDRESS:PORT");
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);

    TRY_ASSIGN(auto listener, listen_at(address, host, std::to_string(port)));
    TRY_ASSIGN(auto loop, Loop::make());
    Fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop)
        return errno_failure("metrics", address, errno);
    return std::unique_ptr<MetricsServer>(new MetricsServer(
        std::make_unique<Impl>(std::move(loop), std::move(listener), std::move(stop), metrics)));
}

} // namespace xvtep::agent
