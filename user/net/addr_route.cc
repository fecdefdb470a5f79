// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "user/net/netlink_impl.h"

namespace xvtep {
namespace {

std::optional<Prefix> parse_address(const nlmsghdr &message, int index)
{
    const auto *const header = payload<ifaddrmsg>(message);
    if (message.nlmsg_type != RTM_NEWADDR || !header ||
        header->ifa_index != static_cast<unsigned>(index) ||
        (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), IFA_MAX);
    // IFA_ADDRESS is the peer's address, if there is a peer.
    const std::optional<Ip> address =
        attributes.ip(attributes[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS);
    if (!address)
        return std::nullopt;
    return Prefix{*address, header->ifa_prefixlen};
}

// RTA_VIA is a next hop of another address family than the destination.
std::optional<Ip> parse_via(const Attributes &attributes)
{
    const std::size_t size = attributes.size(RTA_VIA);
    if (size != sizeof(rtvia) + 4 && size != sizeof(rtvia) + 16)
        return std::nullopt;
    return Ip::from_bytes(static_cast<const char *>(attributes.data(RTA_VIA)) + sizeof(rtvia),
                          size - sizeof(rtvia));
}

void put_gateway(Message &message, const Ip &gateway, int family)
{
    if (gateway.family() == family) {
        message.put(RTA_GATEWAY, gateway);
        return;
    }
    std::array<std::uint8_t, sizeof(rtvia) + 16> via{};
    const auto via_family = static_cast<decltype(rtvia::rtvia_family)>(gateway.family());
    std::memcpy(via.data(), &via_family, sizeof(via_family));
    std::memcpy(via.data() + sizeof(rtvia), gateway.bytes(), gateway.size());
    message.put(RTA_VIA, via.data(), sizeof(rtvia) + gateway.size());
}

// The errno for a route that drops packets. IPv6 returns such a route, IPv4 an error.
int dead_end(const rtmsg &route)
{
    switch (route.rtm_type) {
    case RTN_UNREACHABLE:
        return EHOSTUNREACH;
    case RTN_PROHIBIT:
        return EACCES;
    case RTN_BLACKHOLE:
        return EINVAL;
    default:
        return 0;
    }
}

} // namespace

Result<std::vector<Prefix>> Netlink::addresses(int index)
{
    // Filtered here, because the kernel refuses a request for one device that has no IPv4.
    Message message(RTM_GETADDR, 0, ifaddrmsg{});
    auto found = impl_->socket.dump<Prefix>(
        message, [&](const nlmsghdr &line) { return parse_address(line, index); });
    if (!found)
        return refused("list addresses", "dev " + impl_->name_of(index), found.error());
    return std::move(*found);
}

Result<std::vector<std::pair<int, Prefix>>> Netlink::addresses()
{
    using Address = std::pair<int, Prefix>;
    Message message(RTM_GETADDR, 0, ifaddrmsg{});
    auto found =
        impl_->socket.dump<Address>(message, [&](const nlmsghdr &line) -> std::optional<Address> {
            const auto *const header = payload<ifaddrmsg>(line);
            if (!header)
                return std::nullopt;
            const int index = static_cast<int>(header->ifa_index);
            const auto address = parse_address(line, index);
            return address ? std::optional(Address(index, *address)) : std::nullopt;
        });
    if (!found)
        return refused("list addresses", "", found.error());
    return std::move(*found);
}

Result<> Netlink::add_address(int index, const Prefix &address)
{
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(address.address.family());
    header.ifa_prefixlen = static_cast<std::uint8_t>(address.length);
    header.ifa_index = static_cast<std::uint32_t>(index);
    if (address.address.is_v6())
        header.ifa_flags = IFA_F_NODAD;
    Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, header);
    message.put(IFA_LOCAL, address.address);
    message.put(IFA_ADDRESS, address.address);
    return impl_->request(
        "add address", [&] { return impl_->on_device(address.text(), index); }, message);
}

Result<> Netlink::add_route(const Prefix &destination, const std::optional<Ip> &gateway, int oif)
{
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(destination.address.family());
    header.rtm_dst_len = static_cast<std::uint8_t>(destination.length);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    header.rtm_type = RTN_UNICAST;
    Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header);
    if (destination.length != 0)
        message.put(RTA_DST, destination.address);
    if (gateway)
        put_gateway(message, *gateway, destination.address.family());
    if (oif != 0)
        message.put(RTA_OIF, static_cast<std::uint32_t>(oif));
    const auto object = [&] {
        const std::string route =
            destination.text() + (gateway ? " via " + gateway->text() : std::string());
        return oif != 0 ? impl_->on_device(route, oif) : route;
    };
    return impl_->request("add route", object, message);
}

Result<bool> Netlink::has_source_rules()
{
    fib_rule_hdr header{};
    header.family = AF_INET;
    Message message(RTM_GETRULE, 0, header);
    bool found = false;
    const auto read =
        impl_->socket.dump<bool>(message, [&](const nlmsghdr &line) -> std::optional<bool> {
            const auto *const rule = payload<fib_rule_hdr>(line);
            found |= line.nlmsg_type == RTM_NEWRULE && rule && rule->src_len != 0;
            return std::nullopt;
        });
    if (!read)
        return refused("list rules", "", read.error());
    return found;
}

Result<Route> Netlink::route_to(const Ip &destination, int oif)
{
    rtmsg header{};
    header.rtm_family = static_cast<std::uint8_t>(destination.family());
    header.rtm_dst_len = static_cast<std::uint8_t>(destination.size() * 8);
    Message message(RTM_GETROUTE, 0, header);
    message.put(RTA_DST, destination);
    if (oif != 0)
        message.put(RTA_OIF, static_cast<std::uint32_t>(oif));

    std::optional<Route> found;
    int code = ENETUNREACH;
    const auto answer = impl_->socket.request(message, [&](const nlmsghdr &line) {
        const auto *const route = payload<rtmsg>(line);
        if (line.nlmsg_type != RTM_NEWROUTE || !route)
            return;
        code = dead_end(*route);
        if (code != 0)
            return;
        const Attributes attributes(line, sizeof(*route), RTA_MAX);
        found = Route{attributes.get_or<int>(RTA_OIF, 0), attributes.ip(RTA_GATEWAY),
                      attributes.ip(RTA_PREFSRC), route->rtm_type == RTN_LOCAL};
        if (!found->gateway)
            found->gateway = parse_via(attributes);
    });
    if (answer && found)
        return *found;
    const std::string object =
        oif != 0 ? impl_->on_device(destination.text(), oif) : destination.text();
    return refused("find route", object, answer ? Refusal{code, {}} : answer.error());
}

} // namespace xvtep
