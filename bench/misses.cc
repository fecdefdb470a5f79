// SPDX-License-Identifier: GPL-2.0-only
#include "bench/misses.h"

#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/harness.h"
#include "bench/shell.h"
#include "user/base/fd.h"
#include "xvtep/listener.h"
#include "xvtep/netns.h"

#pragma GCC diagnostic ignored "-Wold-style-cast" // in the kernel's macros

namespace xvtep::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Heard = std::function<void(const std::array<std::uint8_t, 6> &)>;

// Hands on misses in its namespace until it is told to stop.
class Ear {
  public:
    // Returns once it listens.
    static Result<std::unique_ptr<Ear>> open(System system, const std::string &host, int core,
                                             Heard heard)
    {
        auto ear = std::unique_ptr<Ear>(new Ear);
        std::atomic<bool> ready = false;
        ear->thread_ = std::thread([e = ear.get(), &ready, system, host, core, heard] {
            const Pinned pinned(core);
            e->run(system, host, heard, ready);
            ready = true;
        });
        while (!ready)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (ear->error_)
            return std::unexpected(*ear->error_);
        return ear;
    }
    ~Ear()
    {
        stop_ = true;
        thread_.join();
    }

  private:
    Ear() = default;

    void run(System system, const std::string &host, const Heard &heard, std::atomic<bool> &ready)
    {
        const auto space = Netns::open(host);
        const auto scope = space->enter();
        if (system == System::xvtep)
            callbacks(heard, ready);
        else
            netlink(heard, ready);
    }

    void callbacks(const Heard &heard, std::atomic<bool> &ready)
    {
        struct Listener : MissListener {
            explicit Listener(const Heard &to) : heard(to) {}
            void on_l2miss(const L2Miss &miss) override { heard(miss.mac.octets); }
            const Heard &heard;
        } listener(heard);
        auto source = MissSource::open("vxlan0");
        if (!source) {
            error_ = source.error();
            return;
        }
        ready = true;
        while (!stop_ && source->poll(listener, std::chrono::milliseconds(20))) {
        }
    }

    void netlink(const Heard &heard, std::atomic<bool> &ready)
    {
        const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        sockaddr_nl address{};
        address.nl_family = AF_NETLINK;
        address.nl_groups = RTMGRP_NEIGH;
        if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0) {
            error_ = errno_failure("listen to", "netlink", errno).error();
            return;
        }
        ready = true;
        std::array<char, 16384> buffer{};
        pollfd waiting{.fd = fd.get(), .events = POLLIN, .revents = 0};
        while (!stop_) {
            if (::poll(&waiting, 1, 20) <= 0)
                continue;
            auto size = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            auto left = size > 0 ? static_cast<unsigned>(size) : 0;
            for (auto *m = reinterpret_cast<nlmsghdr *>(buffer.data()); NLMSG_OK(m, left);
                 m = NLMSG_NEXT(m, left)) {
                if (m->nlmsg_type != RTM_GETNEIGH)
                    continue;
                auto *head = static_cast<ndmsg *>(NLMSG_DATA(m));
                auto *a = reinterpret_cast<rtattr *>(reinterpret_cast<char *>(head) +
                                                     NLMSG_ALIGN(sizeof(*head)));
                auto room = static_cast<unsigned>(m->nlmsg_len - NLMSG_LENGTH(sizeof(*head)));
                for (; RTA_OK(a, room); a = RTA_NEXT(a, room)) {
                    std::array<std::uint8_t, 6> mac{};
                    if (a->rta_type != NDA_LLADDR || RTA_PAYLOAD(a) != mac.size())
                        continue;
                    std::copy_n(static_cast<const std::uint8_t *>(RTA_DATA(a)), mac.size(),
                                mac.begin());
                    heard(mac);
                }
            }
        }
    }

    std::atomic<bool> stop_ = false;
    std::optional<Error> error_;
    std::thread thread_;
};

struct Mouth {
    Fd fd;
    sockaddr_ll to{};
    Frame frame;

    static Result<Mouth> open(const std::string &host)
    {
        TRY_ASSIGN(const int index, index_of(host, "vxlan0"));
        TRY_ASSIGN(const auto space, Netns::open(host));
        TRY_ASSIGN(const auto scope, space.enter());
        Mouth mouth;
        mouth.fd.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        if (!mouth.fd)
            return errno_failure("open socket in", host, errno);
        mouth.to.sll_family = AF_PACKET;
        mouth.to.sll_ifindex = index;
        mouth.frame =
            plain_frame(Mac{}, Mac{{2, 0, 0, 0, 0, 2}}, container_here, container_there, 64);
        return mouth;
    }
    void say(const Mac &mac)
    {
        std::ranges::copy(mac.octets, frame.begin());
        (void)::sendto(fd.get(), frame.data(), frame.size(), 0,
                       reinterpret_cast<const sockaddr *>(&to), sizeof(to));
    }
};

// Not one that was missed a moment ago.
Mac stranger()
{
    static unsigned next = 0;
    return numbered(Mac{{2, 0, 2, 0, 0, 0}}, next++);
}

unsigned number_of(const std::array<std::uint8_t, 6> &mac)
{
    return static_cast<unsigned>(mac[3] << 16 | mac[4] << 8 | mac[5]);
}

} // namespace

Result<> build_missing(const World &world, System system, const std::string &host)
{
    if (system == System::xvtep) {
        TRY(sh(
            fmt::format("{} -n {} attach u --vni {} --name vxlan0 --local {} --l2miss --nolearning",
                        world.xvtep(), host, vni, here)));
        return {};
    }
    return ip_batch(host,
                    fmt::format("link add vxlan0 type vxlan id {} dev u local {} dstport 4789 "
                                "noudpcsum nolearning l2miss\nlink set vxlan0 up",
                                vni, here));
}

Result<std::vector<double>> miss_times(System system, const std::string &host, unsigned count,
                                       int core)
{
    std::atomic<unsigned> last = ~0U;
    std::atomic<std::int64_t> when = 0;
    TRY_ASSIGN(auto mouth, Mouth::open(host));
    TRY_ASSIGN(const auto ear, Ear::open(system, host, core, [&](const auto &mac) {
                   when = Clock::now().time_since_epoch().count();
                   last = number_of(mac);
                   last.notify_one();
               }));
    const Pinned pinned(core);
    std::vector<double> times;
    for (unsigned n = 0; n < count; n++) {
        const Mac mac = stranger();
        const unsigned number = number_of(mac.octets);
        const auto before = Clock::now();
        mouth.say(mac);
        while (last != number && Clock::now() - before < std::chrono::milliseconds(200))
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        if (last != number)
            return system_failure("hear a miss of", name_of(system),
                                  "there was none within 200 ms");
        times.push_back(static_cast<double>(when - before.time_since_epoch().count()) / 1e3);
    }
    std::ranges::sort(times);
    return times;
}

Result<MissCount> misses_at(System system, const std::string &host, double rate, double seconds,
                            int core, int listener_core)
{
    std::atomic<unsigned> heard = 0;
    TRY_ASSIGN(auto mouth, Mouth::open(host));
    TRY_ASSIGN(const auto ear,
               Ear::open(system, host, listener_core, [&](const auto &) { heard++; }));
    const Pinned pinned(core);
    MissCount got;
    const auto wanted = static_cast<unsigned>(rate * seconds);
    const auto start = Clock::now();
    for (; got.sent < wanted; got.sent++) {
        const auto due = start + std::chrono::duration<double>(got.sent / rate);
        while (Clock::now() < due) {
        }
        mouth.say(stranger());
    }
    const std::chrono::duration<double> took = Clock::now() - start;
    got.rate = got.sent / took.count();
    for (unsigned n = 0; n < 50 && heard < got.sent; n++)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    got.heard = heard;
    return got;
}

} // namespace xvtep::bench
