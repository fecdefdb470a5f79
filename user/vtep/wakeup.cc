// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/wakeup.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "user/base/debug_log.h"
#include "user/net/netlink.h"
#include "user/net/sysctl.h"

namespace xvtep {

Result<WakeupTap> WakeupTap::create()
{
    WakeupTap tap;
    tap.fd_ = Fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!tap.fd_)
        return errno_failure("open", "/dev/net/tun", errno);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    const std::string pattern = std::string(wakeup_tap_name) + "%d";
    pattern.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    if (::ioctl(tap.fd_.get(), TUNSETIFF, &request) != 0)
        return errno_failure("create", "tap device", errno);
    const std::string name = request.ifr_name;
    (void)set_sysctl("net/ipv6/conf/" + name + "/disable_ipv6", "1"); // there may be no IPv6 at all
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const auto link, netlink.link(name));
    TRY(netlink.change_link(link.index, {.up = true}));
    (void)netlink.remove_queue(link.index); // a queue would only delay the frame
    tap.ifindex_ = link.index;
    return tap;
}

bool WakeupTap::drain() const
{
    std::array<char, 64> start{}; // read(2) discards the rest of the frame
    ssize_t got = 0;
    while ((got = ::read(fd_.get(), start.data(), start.size())) > 0 ||
           (got < 0 && errno == EINTR)) {
    }
    return got < 0 && errno == EAGAIN;
}

Result<Wakeup> Wakeup::create(const Session &session, __u32 listener, const Fd &ring)
{
    Wakeup made;
    if (const auto done = made.create_tap(session, listener); !done)
        debug_log(done.error().message());
    made.epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    made.left_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN;
    const auto failed = [&](int fd) {
        return fd < 0 || ::epoll_ctl(made.epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0;
    };
    if (!made.epoll_ || failed(ring.get()) || failed(made.left_.get()) ||
        (made.tap_ && failed(made.tap_->fd())))
        return errno_failure("wait for", "ring buffer", errno);
    return made;
}

Result<> Wakeup::create_tap(const Session &session, __u32 listener)
{
    TRY_ASSIGN(auto tap, WakeupTap::create());
    TRY_ASSIGN(auto taps, (Table<__u32, __u32>::open(session.directory + "/maps", "wakeup_taps")));
    TRY(taps.put(listener, static_cast<__u32>(tap.ifindex())));
    tap_ = std::move(tap);
    taps_ = std::move(taps);
    listener_ = listener;
    return {};
}

void Wakeup::drain()
{
    if (!tap_ || tap_->drain())
        return;
    // Somebody deleted the device, and another device may get its index.
    (void)taps_->put(listener_, 0);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tap_->fd(), nullptr);
    tap_.reset();
}

void Wakeup::notify(bool records_left)
{
    if (records_left == left_is_set_)
        return;
    eventfd_t count = 0;
    (void)(records_left ? ::eventfd_write(left_.get(), 1) : ::eventfd_read(left_.get(), &count));
    left_is_set_ = records_left;
}

} // namespace xvtep
