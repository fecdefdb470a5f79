// SPDX-License-Identifier: GPL-2.0-only
#include "bench/traffic.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <latch>
#include <optional>
#include <thread>

#include "user/base/fd.h"
#include "xvtep/netns.h"

namespace xvtep::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint16_t port = 5201;

void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core >= 0)
        CPU_SET(core, &set);
    else
        for (unsigned n = 0; n < std::thread::hardware_concurrency(); n++)
            CPU_SET(n, &set);
    ::sched_setaffinity(0, sizeof(set), &set);
}

// Of either family.
struct Address {
    sockaddr_in6 bytes{};
    socklen_t size = 0;

    explicit Address(const std::string &text)
    {
        bytes.sin6_family = AF_INET6;
        bytes.sin6_port = htons(port);
        size = sizeof(bytes);
        if (::inet_pton(AF_INET6, text.c_str(), &bytes.sin6_addr) == 1)
            return;
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        ::inet_pton(AF_INET, text.c_str(), &v4.sin_addr);
        std::memcpy(&bytes, &v4, size = sizeof(v4));
    }
    [[nodiscard]] int family() const { return bytes.sin6_family; }
    [[nodiscard]] const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&bytes); }
};

// A socket in `netns`; nothing waits on it for longer than 2 s.
Result<Fd> socket_in(const std::string &netns, int family, int type)
{
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
    if (!fd)
        return errno_failure("open socket in", netns, errno);
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return fd;
}

Result<Fd> bound(const Route &route, int type)
{
    const Address address(route.address);
    TRY_ASSIGN(Fd fd, socket_in(route.to, address.family(), type));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (::bind(fd.get(), address.get(), address.size) != 0 ||
        (type == SOCK_STREAM && ::listen(fd.get(), 64) != 0))
        return errno_failure("listen on", route.address, errno);
    return fd;
}

Result<Fd> connected(const Route &route, int type)
{
    const Address address(route.address);
    TRY_ASSIGN(Fd fd, socket_in(route.from, address.family(), type));
    if (::connect(fd.get(), address.get(), address.size) != 0)
        return errno_failure("connect to", route.address, errno);
    return fd;
}

Result<Fd> accepted(const Fd &listener)
{
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd)
        return errno_failure("accept", "connection", errno);
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

// Seconds that the cores were busy.
double busy()
{
    std::ifstream in("/proc/stat");
    std::string word;
    std::array<double, 8> ticks{}; // user nice system idle iowait irq softirq steal
    in >> word;
    for (double &value : ticks)
        in >> value;
    return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) /
           static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void sleep_for(double seconds)
{
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

std::uint8_t pattern(std::size_t at)
{
    return static_cast<std::uint8_t>(at * 31 + (at >> 8));
}

// Its end shuts the sockets' traffic down and waits for the threads.
struct Threads {
    std::atomic<bool> stop = false;
    std::vector<std::thread> all;
    std::vector<int> sockets;
    void end()
    {
        stop = true;
        for (const int fd : sockets)
            ::shutdown(fd, SHUT_RDWR);
        for (auto &thread : all)
            if (thread.joinable())
                thread.join();
    }
    ~Threads() { end(); }
};

constexpr std::size_t chunk = 128 * 1024;

} // namespace

Result<Throughput> tcp_streams(const Route &route, unsigned streams, double seconds)
{
    std::atomic<std::uint64_t> received = 0;
    std::atomic<bool> wrong = false;
    std::vector<Fd> fds;
    TRY_ASSIGN(const Fd listener, bound(route, SOCK_STREAM));
    for (unsigned n = 0; n < streams; n++) {
        TRY_ASSIGN(Fd client, connected(route, SOCK_STREAM));
        TRY_ASSIGN(Fd server, accepted(listener));
        fds.push_back(std::move(client));
        fds.push_back(std::move(server));
    }
    Threads threads;
    for (const auto &fd : fds)
        threads.sockets.push_back(fd.get());
    // A reader that is not running yet when its sender is may wait for its core for seconds.
    std::latch running(2 * static_cast<std::ptrdiff_t>(streams) + 1);
    for (unsigned n = 0; n < streams; n++) {
        threads.all.emplace_back([&, fd = fds[2 * n].get()] {
            pin(route.from_core);
            std::vector<std::uint8_t> data(chunk);
            for (std::size_t i = 0; i < chunk; i++)
                data[i] = pattern(i);
            running.arrive_and_wait();
            while (!threads.stop && ::send(fd, data.data(), chunk, MSG_NOSIGNAL) == chunk) {
            }
        });
        threads.all.emplace_back([&, fd = fds[2 * n + 1].get()] {
            pin(route.to_core);
            std::vector<std::uint8_t> data(chunk);
            std::size_t total = 0;
            running.arrive_and_wait();
            for (;;) {
                const auto size = ::recv(fd, data.data(), chunk, 0);
                if (size <= 0)
                    return;
                for (std::size_t i = 0; total < 100'000 && i < static_cast<std::size_t>(size); i++)
                    wrong = wrong || data[i] != pattern((total + i) % chunk);
                total += static_cast<std::size_t>(size);
                received += static_cast<std::uint64_t>(size);
            }
        });
    }
    running.arrive_and_wait();
    sleep_for(std::min(0.3, seconds)); // slow start
    const auto bytes = received.load();
    const double cpu = busy();
    const auto start = Clock::now();
    sleep_for(seconds);
    const auto got = static_cast<double>(received.load() - bytes);
    const double used = busy() - cpu;
    const std::chrono::duration<double> took = Clock::now() - start;
    threads.end();
    if (wrong)
        return system_failure("check content of", "TCP", "other bytes arrived than were sent");
    if (got <= 0)
        return system_failure("send", "TCP", "nothing arrived");
    return Throughput{.gbit = got * 8 / took.count() / 1e9, .cpu_per_gigabyte = used / (got / 1e9)};
}

namespace {

// Datagrams of one read.
constexpr std::size_t batch = 32;
struct Reader {
    explicit Reader(std::size_t room) : data(batch * room)
    {
        for (std::size_t n = 0; n < batch; n++) {
            pieces[n] = {.iov_base = data.data() + n * room, .iov_len = room};
            messages[n].msg_hdr.msg_iov = &pieces[n];
            messages[n].msg_hdr.msg_iovlen = 1;
        }
    }
    std::vector<std::uint8_t> data;
    std::array<iovec, batch> pieces{};
    std::array<mmsghdr, batch> messages{};
};

// Counts datagrams until `stop`; GRO's reads have several.
void read_datagrams(const Fd &server, const Datagrams &kind, const std::atomic<bool> &stop,
                    std::atomic<std::uint64_t> &received, std::atomic<bool> &wrong)
{
    Reader reader(kind.merged ? 1 << 16 : 2048);
    pollfd ready{.fd = server.get(), .events = POLLIN, .revents = 0};
    while (!stop) {
        if (::poll(&ready, 1, 20) <= 0)
            continue;
        const int count =
            ::recvmmsg(server.get(), reader.messages.data(), batch, MSG_DONTWAIT, nullptr);
        for (int n = 0; n < count; n++) {
            const std::size_t size = reader.messages[static_cast<std::size_t>(n)].msg_len;
            if (size % kind.size != 0 || (!kind.merged && size != kind.size))
                wrong = true;
            received += size / kind.size;
        }
        if (count > 0 && reader.data[kind.size - 1] != pattern(kind.size - 1))
            wrong = true;
    }
}

} // namespace

Result<double> udp_datagrams(const Route &route, const Datagrams &kind, double seconds)
{
    TRY_ASSIGN(const Fd server, bound(route, SOCK_DGRAM));
    TRY_ASSIGN(const Fd client, connected(route, SOCK_DGRAM));
    const int buffer = 4 << 20, on = 1, size = static_cast<int>(kind.size);
    ::setsockopt(server.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    if ((kind.merged && ::setsockopt(server.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0) ||
        (kind.burst > 1 &&
         ::setsockopt(client.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) != 0))
        return errno_failure("set segments of", "UDP", errno);
    std::atomic<std::uint64_t> received = 0;
    std::atomic<bool> wrong = false;
    Threads threads;
    threads.all.emplace_back([&] {
        pin(route.to_core);
        read_datagrams(server, kind, threads.stop, received, wrong);
    });
    threads.all.emplace_back([&] {
        pin(route.from_core);
        std::vector<std::uint8_t> data(kind.size * kind.burst);
        for (std::size_t i = 0; i < data.size(); i++)
            data[i] = pattern(i % kind.size);
        while (!threads.stop)
            (void)::send(client.get(), data.data(), data.size(), MSG_NOSIGNAL);
    });
    sleep_for(std::min(0.1, seconds));
    const auto before = received.load();
    const auto start = Clock::now();
    sleep_for(seconds);
    const auto got = static_cast<double>(received.load() - before);
    const std::chrono::duration<double> took = Clock::now() - start;
    threads.end();
    if (wrong)
        return system_failure("check content of", "UDP", "another datagram arrived than was sent");
    if (got <= 0)
        return system_failure("send", "UDP", "nothing arrived");
    return got / took.count() / 1e3;
}

Result<std::vector<double>> round_trips(const Route &route, double seconds)
{
    TRY_ASSIGN(const Fd listener, bound(route, SOCK_STREAM));
    TRY_ASSIGN(const Fd client, connected(route, SOCK_STREAM));
    TRY_ASSIGN(const Fd server, accepted(listener));
    const int on = 1;
    for (const int fd : {client.get(), server.get()})
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::vector<double> times;
    std::optional<Error> error;
    Threads threads;
    threads.sockets = {client.get(), server.get()};
    threads.all.emplace_back([&] {
        pin(route.to_core);
        char byte = 0;
        while (::recv(server.get(), &byte, 1, 0) == 1 &&
               ::send(server.get(), &byte, 1, MSG_NOSIGNAL) == 1) {
        }
    });
    std::thread asking([&] {
        pin(route.from_core);
        const auto start = Clock::now();
        const auto warm = start + std::chrono::duration<double>(0.1 * seconds);
        const auto end = start + std::chrono::duration<double>(1.1 * seconds);
        for (unsigned n = 0;; n++) {
            const char sent = static_cast<char>(n);
            char got = 0;
            const auto before = Clock::now();
            if (before > end)
                return;
            if (::send(client.get(), &sent, 1, MSG_NOSIGNAL) != 1 ||
                ::recv(client.get(), &got, 1, 0) != 1 || got != sent) {
                error = system_failure("ask", "TCP", "no answer, or a wrong one").error();
                return;
            }
            const std::chrono::duration<double, std::micro> took = Clock::now() - before;
            if (before > warm)
                times.push_back(took.count());
        }
    });
    asking.join();
    threads.end();
    if (error)
        return std::unexpected(*error);
    std::ranges::sort(times);
    return times;
}

Result<double> connections(const Route &route, double seconds)
{
    TRY_ASSIGN(const Fd listener, bound(route, SOCK_STREAM));
    Threads threads;
    threads.all.emplace_back([&] {
        pin(route.to_core);
        while (!threads.stop) {
            const auto fd = accepted(listener);
            char byte = 0;
            if (fd && ::recv(fd->get(), &byte, 1, 0) == 1)
                (void)::send(fd->get(), &byte, 1, MSG_NOSIGNAL);
        }
    });
    threads.sockets = {listener.get()};
    double rate = 0;
    std::optional<Error> error;
    std::thread asking([&] {
        pin(route.from_core);
        const auto space = Netns::open(route.from);
        const auto scope = space->enter();
        const Address address(route.address);
        const linger reset{.l_onoff = 1, .l_linger = 0}; // no TIME_WAIT: ports would run out
        const auto start = Clock::now();
        unsigned made = 0;
        std::chrono::duration<double> took{};
        while (took.count() < seconds) {
            const Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
            const timeval limit{.tv_sec = 2, .tv_usec = 0};
            ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
            ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            char byte = 7;
            errno = 0;
            if (::connect(fd.get(), address.get(), address.size) != 0 ||
                ::send(fd.get(), &byte, 1, MSG_NOSIGNAL) != 1 ||
                ::recv(fd.get(), &byte, 1, 0) != 1) {
                error = (errno != 0 ? errno_failure("use connection to", route.address, errno)
                                    : system_failure("use connection to", route.address,
                                                     "closed without an answer"))
                            .error();
                return;
            }
            made++;
            took = Clock::now() - start;
        }
        rate = made / took.count();
    });
    asking.join();
    threads.end();
    if (error)
        return std::unexpected(*error);
    return rate;
}

} // namespace xvtep::bench
