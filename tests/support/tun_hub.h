// SPDX-License-Identifier: GPL-2.0-only
// Hosts at a network without Ethernet headers: a tun device of each, and a thread that hands
// packets on by their destination, as a provider of tunnels does.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sockets.h"

namespace xvtep::test {

class TunHub {
  public:
    struct End {
        std::string host, device;
        std::vector<std::string> addresses; // behind it
        bool merges = false;                // received packets go through GRO
    };

    explicit TunHub(const std::vector<End> &ends)
    {
        for (const End &end : ends) {
            const auto netns = Netns::open(end.host);
            const auto scope = netns->enter();
            Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
            ifreq request{};
            end.device.copy(static_cast<char *>(request.ifr_name), IFNAMSIZ - 1);
            request.ifr_flags =
                static_cast<short>(IFF_TUN | IFF_NO_PI | (end.merges ? IFF_NAPI : 0));
            EXPECT_EQ(::ioctl(fd.get(), TUNSETIFF, &request), 0)
                << end.device << std::strerror(errno);
            for (const auto &address : end.addresses) {
                Bytes octets;
                put(octets, *Ip::parse(address));
                by_address_[octets] = fds_.size();
            }
            fds_.push_back(std::move(fd));
        }
        towards_ = std::vector<std::atomic<std::size_t>>(fds_.size());
        thread_ = std::thread([this] { run(); });
    }
    TunHub(const TunHub &) = delete;
    TunHub &operator=(const TunHub &) = delete;
    ~TunHub() { stop(); }

    // Ends are counted from 0. How many packets went to this one.
    [[nodiscard]] std::size_t towards(std::size_t end) const { return towards_[end]; }

    // A packet that seems to come from another end.
    void inject(std::size_t end, const Bytes &packet)
    {
        // The kernel refuses what is no IP packet at all.
        (void)!::write(fds_[end].get(), packet.data(), packet.size());
    }

    // What comes is handed on no more, and the devices are gone.
    void stop()
    {
        stop_ = true;
        if (thread_.joinable())
            thread_.join();
        fds_.clear();
    }

  private:
    void run()
    {
        std::vector<pollfd> ready;
        for (const Fd &fd : fds_)
            ready.push_back({.fd = fd.get(), .events = POLLIN, .revents = 0});
        Bytes packet(1 << 17);
        while (!stop_) {
            if (::poll(ready.data(), ready.size(), 50) <= 0)
                continue;
            for (std::size_t n = 0; n < fds_.size(); n++)
                if ((ready[n].revents & POLLIN) != 0)
                    hand_on(n, packet);
                else if (ready[n].revents != 0)
                    ::usleep(1000); // the device is down, or gone
        }
    }

    void hand_on(std::size_t from, Bytes &packet)
    {
        for (int n = 0; n < 64; n++) {
            const ssize_t size = ::read(fds_[from].get(), packet.data(), packet.size());
            if (size < 20)
                return;
            const bool v6 = packet[0] >> 4 == 6;
            const auto at = packet.begin() + (v6 ? 24 : 16);
            const auto to = by_address_.find(Bytes(at, at + (v6 ? 16 : 4)));
            if (to == by_address_.end() || to->second == from)
                continue;
            towards_[to->second]++;
            (void)!::write(fds_[to->second].get(), packet.data(), static_cast<std::size_t>(size));
        }
    }

    std::vector<Fd> fds_;
    std::map<Bytes, std::size_t> by_address_;
    std::vector<std::atomic<std::size_t>> towards_;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

} // namespace xvtep::test
