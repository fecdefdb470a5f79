// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/device_names.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace xvtep {
namespace {

Result<Fd> open_socket()
{
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket)
        return errno_failure("open socket for", "device names", errno);
    return socket;
}

std::string ask(const Fd &socket, __u32 ifindex)
{
    ifreq device{};
    device.ifr_ifindex = static_cast<int>(ifindex);
    return ::ioctl(socket.get(), SIOCGIFNAME, &device) == 0 ? device.ifr_name : "";
}

} // namespace

Result<DeviceNames> DeviceNames::open()
{
    TRY_ASSIGN(auto socket, open_socket());
    return DeviceNames(std::move(socket));
}

const std::string &DeviceNames::of(__u32 ifindex) const
{
    const auto [name, is_new] = names_.try_emplace(ifindex);
    if (is_new)
        name->second = ask(socket_, ifindex);
    return name->second;
}

Result<DeviceNameCache> DeviceNameCache::open()
{
    TRY_ASSIGN(auto socket, open_socket());
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
        known.text = ask(socket_, ifindex);
        known.asked = now;
    }
    return known.text;
}

} // namespace xvtep
