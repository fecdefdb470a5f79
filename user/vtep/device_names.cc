// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/device_names.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace xvtep {

Result<DeviceNames> DeviceNames::read(Session &session)
{
    const auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    DeviceNames made;
    for (const auto &link : *links)
        made.names_.emplace(static_cast<__u32>(link.index), link.name);
    return made;
}

const std::string &DeviceNames::of(__u32 ifindex) const
{
    static const std::string none;
    const auto found = names_.find(ifindex);
    return found == names_.end() ? none : found->second;
}

Result<DeviceNameCache> DeviceNameCache::open()
{
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket)
        return errno_failure("open socket for", "device names", errno);
    return DeviceNameCache(std::move(socket));
}

const std::string &DeviceNameCache::of(__u32 ifindex, std::uint64_t now)
{
    constexpr std::uint64_t good_for = 100'000'000; // nanoseconds
    constexpr std::size_t most = 8192;
    if (names_.size() >= most)
        names_.clear();
    auto &known = names_[ifindex];
    if (known.asked == 0 || now - known.asked > good_for) {
        ifreq device{};
        device.ifr_ifindex = static_cast<int>(ifindex);
        known.text = ::ioctl(socket_.get(), SIOCGIFNAME, &device) == 0 ? device.ifr_name : "";
        known.asked = now;
    }
    return known.text;
}

} // namespace xvtep
