// SPDX-License-Identifier: GPL-2.0-only
// The VNIs of a vxlan device that is external and has vnifilter (Linux 5.18): `bridge vni`.
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include <fmt/format.h>

#include "user/net/netlink_impl.h"

namespace xvtep {
namespace {

constexpr std::size_t most = 64; // ranges in one message, which has 4 KiB

Message tunnel_request(std::uint16_t type, int flags, int index,
                       std::span<const KernelVniRange> ranges)
{
    tunnel_msg header{};
    header.family = AF_BRIDGE;
    header.ifindex = static_cast<__u32>(index);
    Message message(type, flags, header);
    for (const auto &range : ranges) {
        const Message::Nest entry(message, VXLAN_VNIFILTER_ENTRY | NLA_F_NESTED);
        message.put(VXLAN_VNIFILTER_ENTRY_START, range.first);
        message.put(VXLAN_VNIFILTER_ENTRY_END, range.last);
        if (range.remote)
            message.put(range.remote->is_v4() ? VXLAN_VNIFILTER_ENTRY_GROUP
                                              : VXLAN_VNIFILTER_ENTRY_GROUP6,
                        *range.remote);
    }
    return message;
}

void put_vlan(Message &message, std::uint16_t vid, std::uint16_t flags)
{
    bridge_vlan_info info{};
    info.vid = vid;
    info.flags = flags;
    message.put(IFLA_BRIDGE_VLAN_INFO, info);
}

// For tagged VLANs of a bridge's port.
Message vlan_request(std::uint16_t type, int port, std::uint16_t first, std::uint16_t last)
{
    ifinfomsg header = link_header(port);
    header.ifi_family = AF_BRIDGE;
    Message message(type, 0, header);
    {
        const Message::Nest spec(message, IFLA_AF_SPEC);
        if (first == last) {
            put_vlan(message, first, 0);
        } else {
            put_vlan(message, first, BRIDGE_VLAN_INFO_RANGE_BEGIN);
            put_vlan(message, last, BRIDGE_VLAN_INFO_RANGE_END);
        }
    }
    return message;
}

std::string range_text(std::span<const KernelVniRange> ranges)
{
    if (ranges.empty())
        return "none";
    const auto &[first, last, remote] = ranges.front();
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

} // namespace

Result<> Netlink::add_vnis(int index, std::span<const KernelVniRange> ranges)
{
    for (std::size_t at = 0; at < ranges.size(); at += most) {
        const auto part = ranges.subspan(at, std::min(most, ranges.size() - at));
        Message message = tunnel_request(RTM_NEWTUNNEL, NLM_F_CREATE | NLM_F_EXCL, index, part);
        TRY(impl_->request(
            "add vni", [&] { return impl_->on_device(range_text(part), index); }, message));
    }
    return {};
}

Result<> Netlink::delete_vnis(int index, std::span<const KernelVniRange> ranges)
{
    for (std::size_t at = 0; at < ranges.size(); at += most) {
        const auto part = ranges.subspan(at, std::min(most, ranges.size() - at));
        Message message = tunnel_request(RTM_DELTUNNEL, 0, index, part);
        TRY(impl_->request(
            "delete vni", [&] { return impl_->on_device(range_text(part), index); }, message));
    }
    return {};
}

Result<bool> Netlink::has_vlan_filtering(int bridge)
{
    Message message(RTM_GETLINK, 0, link_header(bridge));
    bool filters = false;
    const auto answer = impl_->socket.request(message, [&](const nlmsghdr &line) {
        const auto *const header = payload<ifinfomsg>(line);
        if (line.nlmsg_type != RTM_NEWLINK || !header)
            return;
        const Attributes link(line, sizeof(*header), IFLA_MAX);
        const Attributes info(link[IFLA_LINKINFO], IFLA_INFO_MAX);
        if (info.string(IFLA_INFO_KIND) == "bridge")
            filters = Attributes(info[IFLA_INFO_DATA], IFLA_BR_MAX).flag(IFLA_BR_VLAN_FILTERING);
    });
    if (!answer)
        return refused("find link", "ifindex " + std::to_string(bridge), answer.error());
    return filters;
}

Result<> Netlink::add_bridge_vlans(int port, std::uint16_t first, std::uint16_t last)
{
    Message message = vlan_request(RTM_SETLINK, port, first, last);
    return impl_->request(
        "add vlan", [&] { return impl_->on_device(std::to_string(first), port); }, message);
}

Result<> Netlink::delete_bridge_vlans(int port, std::uint16_t first, std::uint16_t last)
{
    Message message = vlan_request(RTM_DELLINK, port, first, last);
    return impl_->request(
        "delete vlan", [&] { return impl_->on_device(std::to_string(first), port); }, message);
}

} // namespace xvtep
