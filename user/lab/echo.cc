// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/echo.h"

#include <fmt/format.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "user/base/fd.h"

namespace xvtep {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t header_size = 8;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    Address() = default;
    Address(const Ip &ip, std::uint16_t port)
    {
        if (ip.is_v4()) {
            sockaddr_in v4{};
            v4.sin_family = AF_INET;
            v4.sin_port = htons(port);
            std::memcpy(&v4.sin_addr, ip.bytes(), ip.size());
            std::memcpy(&storage, &v4, size = sizeof(v4));
        } else {
            sockaddr_in6 v6{};
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(port);
            std::memcpy(&v6.sin6_addr, ip.bytes(), ip.size());
            std::memcpy(&storage, &v6, size = sizeof(v6));
        }
    }
    [[nodiscard]] const sockaddr *get() const
    {
        return reinterpret_cast<const sockaddr *>(&storage);
    }
    sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage); }
};

// Whether something happened before the deadline.
bool wait_for(int fd, short events, Clock::time_point deadline)
{
    for (;;) {
        const auto left = duration_cast<milliseconds>(deadline - Clock::now()).count();
        pollfd poller{fd, events, 0};
        const int ready = ::poll(&poller, 1, static_cast<int>(std::max<long>(left, 0)));
        if (ready > 0)
            return true;
        if (ready == 0)
            return false;
        if (errno != EINTR)
            return false;
    }
}

std::uint16_t checksum(std::span<const std::uint8_t> bytes)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i++)
        sum += i % 2 == 0 ? bytes[i] << 8u : bytes[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

void put_word(std::vector<std::uint8_t> &bytes, std::size_t at, std::uint16_t value)
{
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t random_id()
{
    std::uint16_t id = 0;
    if (::getrandom(&id, sizeof(id), 0) != sizeof(id))
        id = static_cast<std::uint16_t>(Clock::now().time_since_epoch().count());
    return id;
}

class Echo {
  public:
    Echo(Fd socket, const EchoOptions &options)
        : socket_(std::move(socket)), options_(options), v4_(options.to.is_v4()), id_(random_id())
    {
    }

    EchoOutcome run()
    {
        EchoOutcome outcome;
        outcome.id = id_;
        for (unsigned i = 0; i < options_.count; i++) {
            const auto start = Clock::now();
            outcome.sent++;
            if (const int code = send(static_cast<std::uint16_t>(i + 1))) {
                outcome.problem = errno_text(code);
                continue;
            }
            if (!await(static_cast<std::uint16_t>(i + 1), start + options_.timeout))
                continue;
            const auto took = duration_cast<microseconds>(Clock::now() - start);
            outcome.best = outcome.received++ == 0 ? took : std::min(outcome.best, took);
        }
        return outcome;
    }

  private:
    [[nodiscard]] std::vector<std::uint8_t> message(bool request, std::uint16_t sequence) const
    {
        std::vector<std::uint8_t> bytes(header_size + options_.size);
        bytes[0] = v4_ ? (request ? ICMP_ECHO : ICMP_ECHOREPLY)
                       : (request ? ICMP6_ECHO_REQUEST : ICMP6_ECHO_REPLY);
        put_word(bytes, 4, id_);
        put_word(bytes, 6, sequence);
        for (std::size_t i = header_size; i < bytes.size(); i++)
            bytes[i] = static_cast<std::uint8_t>(i * 7 + sequence);
        if (v4_) // for IPv6, the kernel writes it
            put_word(bytes, 2, checksum(bytes));
        return bytes;
    }

    // Returns 0 or an errno.
    int send(std::uint16_t sequence)
    {
        const Address to(options_.to, 0);
        const std::vector<std::uint8_t> bytes = message(true, sequence);
        const ssize_t sent =
            ::sendto(socket_.get(), bytes.data(), bytes.size(), 0, to.get(), to.size);
        return sent < 0 ? errno : 0;
    }

    bool await(std::uint16_t sequence, Clock::time_point deadline)
    {
        std::vector<std::uint8_t> wanted = message(false, sequence);
        std::vector<std::uint8_t> buffer(wanted.size() + 128);
        while (wait_for(socket_.get(), POLLIN, deadline)) {
            const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
            if (got < 0)
                continue;
            std::span<std::uint8_t> reply(buffer.data(), static_cast<std::size_t>(got));
            if (v4_) { // the reply comes with the IP header
                const std::size_t ip_header = reply.empty() ? 0 : (reply[0] & 0xfu) * 4u;
                if (ip_header < 20 || reply.size() < ip_header)
                    continue;
                reply = reply.subspan(ip_header);
            } else if (reply.size() >= header_size) {
                std::copy_n(reply.begin() + 2, 2, wanted.begin() + 2);
            }
            if (std::ranges::equal(reply, wanted))
                return true;
        }
        return false;
    }

    Fd socket_;
    EchoOptions options_;
    bool v4_;
    std::uint16_t id_;
};

Result<Fd> tcp_socket(const Netns &netns, int family)
{
    TRY_ASSIGN(const Netns::Scope scope, netns.enter());
    Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket)
        return errno_failure("open socket", "TCP", errno);
    return socket;
}

// The octet at a place of the stream. It is a multiplicative hash, so that a shifted stream does
// not match.
std::uint8_t octet_at(std::size_t place)
{
    return static_cast<std::uint8_t>((place * 0x9e3779b97f4a7c15u) >> 40);
}

class Transfer {
  public:
    Transfer(const Ip &address, std::size_t bytes, Fd listener, Fd client)
        : address_(address), bytes_(bytes), listener_(std::move(listener)),
          client_(std::move(client)), buffer_(64u << 10)
    {
    }

    Result<> run(Clock::time_point deadline)
    {
        TRY(connect());
        while (!done_) {
            if (Clock::now() >= deadline)
                return failure("only " + std::to_string(received_) + " of " +
                               std::to_string(bytes_) + " octets arrived in time");
            TRY(step());
        }
        return {};
    }

  private:
    [[nodiscard]] Failure failure(const std::string &cause, int code = 0) const
    {
        return system_failure("transfer to", address_.text(), cause, code);
    }
    [[nodiscard]] Failure failure(int code) const { return failure(errno_text(code), code); }

    Result<> connect()
    {
        Address address(address_, 0);
        if (::bind(listener_.get(), address.get(), address.size) < 0 ||
            ::listen(listener_.get(), 1) < 0 ||
            ::getsockname(listener_.get(), address.get(), &address.size) < 0)
            return failure(errno);
        if (::connect(client_.get(), address.get(), address.size) < 0 && errno != EINPROGRESS)
            return failure(errno);
        return {};
    }

    Result<> step()
    {
        std::array<pollfd, 2> pollers = {
            pollfd{sent_ < bytes_ ? client_.get() : -1, POLLOUT, 0},
            pollfd{server_ ? server_.get() : listener_.get(), POLLIN, 0}};
        if (::poll(pollers.data(), pollers.size(), 100) < 0 && errno != EINTR)
            return failure(errno);
        if (pollers[0].revents)
            TRY(send());
        if (pollers[1].revents && !server_) {
            server_.reset(
                ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        } else if (pollers[1].revents) {
            TRY(receive());
        }
        return {};
    }

    Result<> send()
    {
        const std::size_t part = std::min(buffer_.size(), bytes_ - sent_);
        for (std::size_t i = 0; i < part; i++)
            buffer_[i] = octet_at(sent_ + i);
        const ssize_t put = ::send(client_.get(), buffer_.data(), part, MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR ? Result<>() : failure(errno);
        sent_ += static_cast<std::size_t>(put);
        if (sent_ == bytes_)
            ::shutdown(client_.get(), SHUT_WR);
        return {};
    }

    Result<> receive()
    {
        const ssize_t got = ::recv(server_.get(), buffer_.data(), buffer_.size(), 0);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? Result<>() : failure(errno);
        for (std::size_t i = 0; i < static_cast<std::size_t>(got); i++)
            if (buffer_[i] != octet_at(received_ + i))
                return failure("octet " + std::to_string(received_ + i) + " arrived changed");
        received_ += static_cast<std::size_t>(got);
        done_ = got == 0;
        if (done_ && received_ != bytes_)
            return failure("only " + std::to_string(received_) + " of " + std::to_string(bytes_) +
                           " octets arrived");
        return {};
    }

    const Ip address_;
    const std::size_t bytes_;
    const Fd listener_, client_;
    Fd server_;
    std::vector<std::uint8_t> buffer_;
    std::size_t sent_ = 0, received_ = 0;
    bool done_ = false;
};

} // namespace

Result<EchoOutcome> send_echoes(const Netns &netns, const EchoOptions &options)
{
    TRY_ASSIGN(const Netns::Scope scope, netns.enter());
    const bool v4 = options.to.is_v4();
    Fd socket(::socket(options.to.family(), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6)));
    const int discover = v4 ? IP_PMTUDISC_DO : IPV6_PMTUDISC_DO;
    if (!socket ||
        ::setsockopt(socket.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6,
                     v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &discover, sizeof(discover)) < 0)
        return errno_failure("ping", options.to.text(), errno);
    return Echo(std::move(socket), options).run();
}

Result<unsigned> warm_up(const Netns &from, const Ip &to)
{
    constexpr unsigned most_tries = 10;
    std::string problem = "no reply";
    for (unsigned tries = 1; tries <= most_tries; tries++) {
        TRY_ASSIGN(const EchoOutcome outcome,
                   send_echoes(from, {.to = to, .timeout = warm_up_timeout}));
        if (outcome.received == 1)
            return tries;
        if (!outcome.problem.empty()) {
            problem = outcome.problem;
            std::this_thread::sleep_for(milliseconds(20));
        }
    }
    return system_failure("ping", to.text(), fmt::format("{} in {} tries", problem, most_tries));
}

Result<double> ping_once(const Netns &from, const Ip &to, milliseconds within)
{
    const auto start = Clock::now();
    TRY_ASSIGN(const EchoOutcome outcome, send_echoes(from, {.to = to, .timeout = within}));
    if (outcome.received != 1)
        return system_failure("check", "ping",
                              fmt::format("no reply in {} ms{}{}", within.count(),
                                          outcome.problem.empty() ? "" : ", ", outcome.problem));
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Result<microseconds> transfer(const Netns &from, const Netns &to, const Ip &address,
                              std::size_t bytes)
{
    TRY_ASSIGN(Fd listener, tcp_socket(to, address.family()));
    TRY_ASSIGN(Fd client, tcp_socket(from, address.family()));
    const auto start = Clock::now();
    Transfer run(address, bytes, std::move(listener), std::move(client));
    TRY(run.run(start + std::chrono::seconds(20)));
    return duration_cast<microseconds>(Clock::now() - start);
}

} // namespace xvtep
