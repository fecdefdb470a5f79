// SPDX-License-Identifier: GPL-2.0-only
//
// Traffic for the scenarios of the virtual machine, where a process for each packet or namespace
// would take longer than the packet. It enters the namespaces by itself.
//
//   probe watch FLOW...              FLOW is NAME=NETNS=ADDRESS=NETNS=ADDRESS
//     Sends a UDP packet each 20 ms from the first end of each flow, which the second end answers,
//     and reads commands from its standard input:
//       mark             what follows is counted from here on
//       settle SECONDS   waits until all flows are answered again, or for so long; then prints a
//                        line for each flow: NAME OUTAGE LOST. OUTAGE is the longest time between
//                        two packets that were answered within 100 ms, in ms, less the 20 ms that
//                        are usual; "never" if a flow was not answered in the end. LOST counts
//                        packets that were not answered, however late, at the sockets themselves.
//   probe tcp NETNS ADDRESS NETNS ADDRESS MILLISECONDS
//     Sends from the first end to the second one for so long, compares what arrives, and prints
//     its rate in Mbit/s; 0 if the connection was not made, or stood still for two seconds.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds interval{20};
constexpr milliseconds prompt{100};    // a neighbour that is not resolved delays packets
constexpr milliseconds under_way{200}; // younger packets are not lost yet
constexpr int answers_in_a_row = 12;   // a flow is well again after so many

[[noreturn]] void give_up(const std::string &what)
{
    std::fprintf(stderr, "probe: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(2);
}

void enter(const std::string &netns)
{
    const int fd = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
        give_up("netns " + netns);
    close(fd);
}

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    Address(const std::string &text, std::uint16_t port)
    {
        auto *v4 = reinterpret_cast<sockaddr_in *>(&storage);
        auto *v6 = reinterpret_cast<sockaddr_in6 *>(&storage);
        if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons(port);
            size = sizeof(*v4);
        } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(port);
            size = sizeof(*v6);
        } else {
            errno = EINVAL;
            give_up(text);
        }
    }

    [[nodiscard]] const sockaddr *get() const
    {
        return reinterpret_cast<const sockaddr *>(&storage);
    }
};

// A socket in the namespace, bound to an address that need not be there yet.
int bound_socket(const std::string &netns, const Address &address, int type)
{
    const int yes = 1;
    enter(netns);
    const int fd = socket(address.storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        give_up("socket");
    setsockopt(fd, SOL_IP, IP_FREEBIND, &yes, sizeof(yes));
    setsockopt(fd, SOL_IPV6, IPV6_FREEBIND, &yes, sizeof(yes));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, address.get(), address.size) != 0)
        give_up("bind in " + netns);
    return fd;
}

struct Flow {
    std::string name;
    int near = -1, far = -1;
    std::vector<Clock::time_point> sent; // by number
    std::vector<bool> answered;
    std::size_t marked = 0;   // the first number that counts
    Clock::time_point last{}; // when the last packet was sent that has been answered
    milliseconds outage{};
    int in_a_row = 0;

    Flow(const std::string &text, std::uint16_t port)
    {
        std::vector<std::string> words;
        std::istringstream in(text);
        for (std::string word; std::getline(in, word, '=');)
            words.push_back(word);
        if (words.size() != 5) {
            errno = EINVAL;
            give_up(text);
        }
        name = words[0];
        const Address near_address(words[2], port), far_address(words[4], port);
        near = bound_socket(words[1], near_address, SOCK_DGRAM);
        far = bound_socket(words[3], far_address, SOCK_DGRAM);
        to = far_address;
    }

    Address to{"::", 0};

    void send_one(Clock::time_point now)
    {
        const std::uint64_t number = sent.size();
        sent.push_back(now);
        answered.push_back(false);
        (void)sendto(near, &number, sizeof(number), 0, to.get(), to.size); // a loss, if it fails
    }

    void answer() const
    {
        std::uint64_t number = 0;
        Address from = to;
        from.size = sizeof(from.storage);
        while (recvfrom(far, &number, sizeof(number), 0,
                        reinterpret_cast<sockaddr *>(&from.storage), &from.size) == sizeof(number))
            (void)sendto(far, &number, sizeof(number), 0, from.get(), from.size);
    }

    void take_answers()
    {
        std::uint64_t number = 0;
        for (;;) {
            const auto size = recv(near, &number, sizeof(number), 0);
            if (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
                continue; // an ICMP error
            if (size != sizeof(number))
                return;
            if (number >= sent.size() || answered[number])
                continue;
            answered[number] = true;
            if (sent[number] <= last || Clock::now() - sent[number] > prompt)
                continue;
            const auto gap = std::chrono::duration_cast<milliseconds>(sent[number] - last);
            if (last != Clock::time_point{})
                outage = std::max(outage, gap - interval);
            in_a_row = gap < 2 * interval + milliseconds(15) ? in_a_row + 1 : 1;
            last = sent[number];
        }
    }

    void mark(Clock::time_point now)
    {
        marked = sent.size();
        outage = {};
        in_a_row = 0;
        if (now - last > milliseconds(100)) // dead before: count from now on
            last = now;
    }

    void report(Clock::time_point now) const
    {
        std::size_t lost = 0;
        for (std::size_t n = marked; n < sent.size(); n++)
            if (!answered[n] && now - sent[n] > under_way)
                lost++;
        if (in_a_row >= answers_in_a_row)
            std::printf("%s %lld %zu\n", name.c_str(), static_cast<long long>(outage.count()),
                        lost);
        else
            std::printf("%s never %zu\n", name.c_str(), lost);
    }
};

class Watch {
  public:
    explicit Watch(const std::vector<std::string> &flows)
    {
        std::uint16_t port = 7000;
        for (const auto &flow : flows)
            flows_.emplace_back(flow, port++);
        fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    }

    int run()
    {
        auto next = Clock::now();
        while (!ended_) {
            const auto now = Clock::now();
            if (now >= next) {
                for (Flow &flow : flows_)
                    flow.send_one(now);
                next = std::max(next + interval, now); // late: no burst
            }
            wait(next);
            for (Flow &flow : flows_) {
                flow.answer();
                flow.take_answers();
            }
            settle();
        }
        return 0;
    }

  private:
    void wait(Clock::time_point until)
    {
        std::vector<pollfd> fds;
        for (const Flow &flow : flows_) {
            fds.push_back({flow.near, POLLIN, 0});
            fds.push_back({flow.far, POLLIN, 0});
        }
        fds.push_back({STDIN_FILENO, POLLIN, 0});
        const auto left =
            std::chrono::duration_cast<milliseconds>(until - Clock::now()).count() + 1;
        poll(fds.data(), fds.size(), static_cast<int>(std::clamp<long long>(left, 0, 20)));
        if ((fds.back().revents & (POLLIN | POLLHUP)) != 0)
            read_commands();
    }

    void read_commands()
    {
        char text[256];
        const auto size = read(STDIN_FILENO, text, sizeof(text));
        if (size == 0)
            ended_ = true;
        if (size <= 0)
            return;
        input_.append(text, static_cast<std::size_t>(size));
        for (std::size_t end; (end = input_.find('\n')) != std::string::npos;) {
            obey(input_.substr(0, end));
            input_.erase(0, end + 1);
        }
    }

    void obey(const std::string &line)
    {
        const auto now = Clock::now();
        if (line == "mark") {
            for (Flow &flow : flows_)
                flow.mark(now);
            std::puts("marked");
            std::fflush(stdout);
        } else if (line.starts_with("settle ")) {
            settling_ = true;
            deadline_ = now + std::chrono::milliseconds(
                                  static_cast<int>(std::atof(line.c_str() + 7) * 1000));
            for (Flow &flow : flows_)
                flow.in_a_row = 0;
        }
    }

    void settle()
    {
        const auto now = Clock::now();
        if (!settling_ || (now < deadline_ && !std::ranges::all_of(flows_, [](const Flow &flow) {
                               return flow.in_a_row >= answers_in_a_row;
                           })))
            return;
        settling_ = false;
        for (const Flow &flow : flows_)
            flow.report(now);
        std::puts("settled");
        std::fflush(stdout);
    }

    std::vector<Flow> flows_;
    std::string input_;
    bool settling_ = false, ended_ = false;
    Clock::time_point deadline_{};
};

// What is sent: the octet at each place follows from the place.
class Pattern {
  public:
    Pattern() : octets_(2 * period)
    {
        for (std::size_t n = 0; n < octets_.size(); n++)
            octets_[n] = static_cast<char>((n % period) * 2654435761U >> 13);
    }

    [[nodiscard]] const char *at(std::size_t place) const { return &octets_[place % period]; }

    static constexpr std::size_t period = 65521;

  private:
    std::vector<char> octets_;
};

class Stream {
  public:
    Stream(const std::vector<std::string> &words)
        : from_(words[0], words[1]), to_(words[2], words[3]),
          time_(static_cast<int>(std::atof(words[4].c_str())))
    {
    }

    int run()
    {
        const Address near(from_.second, 0), far(to_.second, 7999);
        const int listener = bound_socket(to_.first, far, SOCK_STREAM);
        if (listen(listener, 1) != 0)
            give_up("listen");
        near_ = bound_socket(from_.first, near, SOCK_STREAM);
        (void)connect(near_, far.get(), far.size);
        pollfd waiting{listener, POLLIN, 0};
        poll(&waiting, 1, 2000);
        far_ = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        std::printf("%lld\n", far_ < 0 ? 0 : static_cast<long long>(transfer()));
        return 0;
    }

  private:
    // Returns the rate in Mbit/s.
    double transfer()
    {
        const auto start = Clock::now();
        auto last = start;
        while (Clock::now() - start < time_) {
            pollfd fds[] = {{near_, POLLOUT, 0}, {far_, POLLIN, 0}};
            poll(fds, 2, 100);
            if ((fds[0].revents & POLLOUT) != 0)
                send_some();
            if ((fds[1].revents & POLLIN) != 0 && receive_some())
                last = Clock::now();
            if (wrong_ || Clock::now() - last > std::chrono::seconds(2))
                return 0;
        }
        const std::chrono::duration<double> took = last - start;
        return received_ == 0 ? 0 : static_cast<double>(received_) * 8 / 1e6 / took.count();
    }

    void send_some()
    {
        const auto size = send(near_, pattern_.at(sent_), Pattern::period, MSG_NOSIGNAL);
        if (size > 0)
            sent_ += static_cast<std::size_t>(size);
    }

    bool receive_some()
    {
        const auto size = recv(far_, buffer_.data(), buffer_.size(), 0);
        if (size <= 0)
            return false;
        const auto got = static_cast<std::size_t>(size);
        wrong_ = wrong_ || std::memcmp(buffer_.data(), pattern_.at(received_), got) != 0;
        received_ += got;
        return true;
    }

    std::pair<std::string, std::string> from_, to_; // namespace, address
    milliseconds time_;
    int near_ = -1, far_ = -1;
    Pattern pattern_;
    std::vector<char> buffer_ = std::vector<char>(Pattern::period);
    std::size_t sent_ = 0, received_ = 0;
    bool wrong_ = false;
};

} // namespace

int main(int argc, char **argv)
{
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() >= 2 && words[0] == "watch")
        return Watch({words.begin() + 1, words.end()}).run();
    if (words.size() == 6 && words[0] == "tcp")
        return Stream({words.begin() + 1, words.end()}).run();
    std::fputs("usage: probe watch FLOW... | probe tcp NETNS ADDRESS NETNS ADDRESS MILLISECONDS\n",
               stderr);
    return 2;
}
