// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/bell.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "user/net/netlink.h"
#include "user/net/sysctl.h"

namespace xvtep {

Result<Bell> Bell::hang()
{
    Bell bell;
    bell.fd_ = Fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!bell.fd_)
        return errno_failure("open", "/dev/net/tun", errno);
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    const std::string pattern = std::string(bell_name) + "%d";
    pattern.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    if (::ioctl(bell.fd_.get(), TUNSETIFF, &request) != 0)
        return errno_failure("create", "tap device", errno);
    const std::string name = request.ifr_name;
    (void)set_sysctl("net/ipv6/conf/" + name + "/disable_ipv6", "1"); // there may be no IPv6 at all
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const auto link, netlink.link(name));
    TRY(netlink.change_link(link.index, {.up = true}));
    (void)netlink.remove_queue(link.index); // it would be a place to wait at
    bell.ifindex_ = link.index;
    return bell;
}

bool Bell::hush() const
{
    std::array<char, 64> start{}; // the rest of a frame is thrown away
    ssize_t got = 0;
    while ((got = ::read(fd_.get(), start.data(), start.size())) > 0 ||
           (got < 0 && errno == EINTR)) {
    }
    return got < 0 && errno == EAGAIN;
}

} // namespace xvtep
