// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cstring>

#include "user/net/link_message.h"
#include "user/net/netlink_impl.h"

namespace xvtep {
namespace {

// The kernel would take "x%d" as a pattern, and netlink would truncate a long name.
Result<> check_name(std::string_view operation, const std::string &name)
{
    if (name.size() >= IFNAMSIZ)
        return usage_failure(operation, name, "interface name longer than 15 characters");
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/:% \t\n\v\f\r\0", 10)) != std::string::npos)
        return usage_failure(operation, name, "not an interface name");
    return {};
}

Message new_link()
{
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_header());
}

void put_link(Message &message, const NewLink &link)
{
    message.put(IFLA_IFNAME, link.name);
    if (link.mac)
        message.put(IFLA_ADDRESS, *link.mac);
    if (link.mtu)
        message.put(IFLA_MTU, std::uint32_t{*link.mtu});
    if (link.group != 0)
        message.put(IFLA_GROUP, link.group);
}

void put_kind(Message &message, const char *kind)
{
    message.put(IFLA_INFO_KIND, kind, std::strlen(kind));
}

} // namespace

ifinfomsg link_header(int index)
{
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = index;
    return header;
}

Result<std::vector<Link>> Netlink::links()
{
    Message message(RTM_GETLINK, 0, link_header());
    message.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
    auto links = impl_->socket.dump<Link>(message, parse_link);
    if (!links)
        return refused("list links", "", links.error());
    if (!std::ranges::is_sorted(*links, {}, &Link::index)) // older kernels sort by hash
        std::ranges::sort(*links, {}, &Link::index);
    return std::move(*links);
}

bool Link::has_ethernet_header() const
{
    return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

const Link *find_link(const std::vector<Link> &links, int index)
{
    const auto found = std::ranges::lower_bound(links, index, {}, &Link::index);
    return found != links.end() && found->index == index ? &*found : nullptr;
}

Result<Link> Netlink::link(const std::string &name)
{
    TRY(check_name("find link", name));
    Message message(RTM_GETLINK, 0, link_header());
    message.put(IFLA_IFNAME, name);
    auto found = impl_->find(message);
    if (!found && found.error().code == ENODEV)
        return errno_failure("find link", name, ENODEV);
    if (!found)
        return refused("find link", name, found.error());
    return std::move(*found);
}

Result<Link> Netlink::link(int index)
{
    auto found = impl_->find(index);
    if (!found)
        return refused("find link", "ifindex " + std::to_string(index), found.error());
    return std::move(*found);
}

Result<int> Netlink::index_of_new(const std::string &name)
{
    const auto made = link(name);
    if (made)
        return made->index;
    Message message(RTM_DELLINK, 0, link_header());
    message.put(IFLA_IFNAME, name);
    (void)impl_->socket.request(message);
    return std::unexpected(made.error());
}

Result<int> Netlink::add_vxlan(const NewLink &link, const VxlanOptions &options)
{
    TRY(check_name("create link", link.name));
    Message message = new_link();
    put_link(message, link);
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "vxlan");
        const Message::Nest data(message, IFLA_INFO_DATA);
        put_vxlan(message, options);
    }
    TRY(impl_->request(
        "create link", [&] { return link.name; }, message));
    return index_of_new(link.name);
}

Result<int> Netlink::add_bridge(const NewLink &link)
{
    TRY(check_name("create link", link.name));
    Message message = new_link();
    put_link(message, link);
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "bridge");
    }
    TRY(impl_->request(
        "create link", [&] { return link.name; }, message));
    return index_of_new(link.name);
}

Result<int> Netlink::add_veth(const NewLink &link, const NewLink &peer, int peer_netns_fd)
{
    TRY(check_name("create link", link.name));
    TRY(check_name("create link", peer.name));
    Message message = new_link();
    put_link(message, link);
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "veth");
        const Message::Nest data(message, IFLA_INFO_DATA);
        const Message::Nest other(message, VETH_INFO_PEER);
        message.append(link_header());
        put_link(message, peer);
        if (peer_netns_fd >= 0)
            message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_netns_fd));
    }
    TRY(impl_->request(
        "create link", [&] { return link.name; }, message));
    return index_of_new(link.name);
}

Result<> Netlink::delete_link(int index)
{
    Message message(RTM_DELLINK, 0, link_header(index));
    return impl_->request(
        "delete link", [&] { return impl_->name_of(index); }, message);
}

Result<bool> Netlink::has_vxlan(const VxlanOptions &options)
{
    Message message = new_link();
    // The kernel would look for the VNI first, and then refuse the name.
    message.put(IFLA_IFNAME, std::string("/"));
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "vxlan");
        const Message::Nest data(message, IFLA_INFO_DATA);
        put_vxlan(message, options);
    }
    const auto answer = impl_->socket.request(message);
    const int error = answer ? 0 : answer.error().code;
    if (error == EEXIST)
        return true;
    if (error == EINVAL || error == ENODEV) // ENODEV: it has gone with its lower device
        return false;
    return refused("look for", "vxlan device of VNI " + std::to_string(options.vni),
                   answer ? Refusal{EPROTO, {}} : answer.error());
}

Result<> Netlink::delete_links(std::span<const int> indexes, std::uint32_t group)
{
    if (indexes.empty())
        return {};
    constexpr std::size_t most = 256; // a message has some 40 octets
    for (std::size_t at = 0; at < indexes.size(); at += most) {
        std::vector<Message> moves;
        for (const int index : indexes.subspan(at, std::min(most, indexes.size() - at))) {
            moves.emplace_back(RTM_SETLINK, 0, link_header(index));
            moves.back().put(IFLA_GROUP, group);
        }
        const auto moved = impl_->socket.request_each(moves);
        if (!moved)
            return refused("set group of", "links", moved.error());
        for (std::size_t n = 0; n < moved->size(); n++)
            if ((*moved)[n] != 0 && (*moved)[n] != ENODEV)
                return errno_failure("set group of", impl_->name_of(indexes[at + n]), (*moved)[n]);
    }
    Message message(RTM_DELLINK, 0, link_header());
    message.put(IFLA_GROUP, group);
    const auto done = impl_->socket.request(message);
    if (!done && done.error().code != ENODEV)
        return refused("delete", "links", done.error());
    return {};
}

Result<> Netlink::change_link(int index, const LinkChange &change)
{
    if (change.name)
        TRY(check_name("set link", *change.name));
    ifinfomsg header = link_header(index);
    if (change.up) {
        header.ifi_change = IFF_UP;
        header.ifi_flags = *change.up ? IFF_UP : 0;
    }
    Message message(RTM_SETLINK, 0, header);
    if (change.netns_fd)
        message.put(IFLA_NET_NS_FD, static_cast<std::uint32_t>(*change.netns_fd));
    if (change.name)
        message.put(IFLA_IFNAME, *change.name);
    if (change.mac)
        message.put(IFLA_ADDRESS, *change.mac);
    if (change.mtu)
        message.put(IFLA_MTU, std::uint32_t{*change.mtu});
    if (change.group)
        message.put(IFLA_GROUP, *change.group);
    if (change.master)
        message.put(IFLA_MASTER, static_cast<std::uint32_t>(*change.master));
    return impl_->request(
        "set link", [&] { return impl_->name_of(index); }, message);
}

Result<> Netlink::change_vxlan(int index, const VxlanOptions &options,
                               std::span<const AttachOption *const> rows)
{
    Message message(RTM_NEWLINK, 0, link_header(index));
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "vxlan");
        const Message::Nest data(message, IFLA_INFO_DATA);
        put_vxlan(message, options, rows);
    }
    return impl_->request(
        "set link", [&] { return impl_->name_of(index); }, message);
}

Result<> Netlink::change_vxlan_learning(int index, bool learning, std::uint32_t ageing)
{
    Message message(RTM_NEWLINK, 0, link_header(index));
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "vxlan");
        const Message::Nest data(message, IFLA_INFO_DATA);
        message.put(IFLA_VXLAN_LEARNING, static_cast<std::uint8_t>(learning ? 1 : 0));
        message.put(IFLA_VXLAN_AGEING, ageing);
    }
    return impl_->request(
        "set link", [&] { return impl_->name_of(index); }, message);
}

} // namespace xvtep
