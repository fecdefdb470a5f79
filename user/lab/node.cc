// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/node.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "user/net/netlink_socket.h"

namespace xvtep {

namespace {

using NeighbourKey = std::pair<ndmsg, Ip>;

// Entries without ARP or ND (of multicast and loopback addresses) are left out.
std::optional<NeighbourKey> parse_neighbour(const nlmsghdr &message, int ifindex)
{
    const auto *const header = payload<ndmsg>(message);
    if (!header || header->ndm_ifindex != ifindex || header->ndm_state & NUD_NOARP)
        return std::nullopt;
    if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
        return std::nullopt;
    const auto ip = Attributes(message, sizeof(*header), NDA_MAX).ip(NDA_DST);
    return ip ? std::optional(NeighbourKey(*header, *ip)) : std::nullopt;
}

} // namespace

std::string namespace_of(const std::string &lab, const std::string &node)
{
    return "xvtep-" + lab + "-" + node;
}

Result<LabNode> LabNode::open(const std::string &netns_name)
{
    TRY_ASSIGN(Netns netns, Netns::open(netns_name));
    TRY_ASSIGN(const Netns::Scope scope, netns.enter());
    TRY_ASSIGN(Netlink netlink, Netlink::open());
    return LabNode{netns_name, std::move(netns), std::move(netlink)};
}

Result<int> LabNode::index_of(const std::string &device)
{
    TRY_ASSIGN(const Link link, netlink.link(device));
    return link.index;
}

Result<> LabNode::set_up(int index)
{
    return netlink.change_link(index, {.up = true});
}

Result<> LabNode::add_addresses(int index, const std::vector<Prefix> &addresses)
{
    for (const Prefix &address : addresses)
        TRY(netlink.add_address(index, address));
    return {};
}

Result<> LabNode::add_routes(const std::vector<LabRoute> &routes)
{
    for (const LabRoute &route : routes) {
        int oif = 0;
        if (!route.dev.empty()) {
            TRY_SET(oif, index_of(route.dev));
        } else if (route.via) {
            TRY_ASSIGN(const Route next, netlink.route_to(*route.via));
            oif = next.oif;
        }
        TRY(netlink.add_route(route.to, route.via, oif));
    }
    return {};
}

Result<int> LabNode::add_bridge(const LabBridge &bridge)
{
    TRY_ASSIGN(const int index, netlink.add_bridge({.name = bridge.name, .mac = bridge.mac}));
    // A bridge keeps an MTU that it is given later, whatever its ports have; not one from birth.
    if (bridge.mtu)
        TRY(netlink.change_link(index, {.mtu = *bridge.mtu}));
    TRY(set_up(index));
    return index;
}

Result<> LabNode::flush_neighbours(const std::string &device)
{
    TRY_ASSIGN(const int index, index_of(device));
    TRY_ASSIGN(const Netns::Scope scope, netns.enter());
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    Message list(RTM_GETNEIGH, 0, ndmsg{});
    const auto entries = socket.dump<NeighbourKey>(
        list, [&](const nlmsghdr &message) { return parse_neighbour(message, index); });
    if (!entries)
        return errno_failure("list neighbours", device, entries.error().code);
    for (const auto &[header, ip] : *entries) {
        Message removal(RTM_DELNEIGH, 0, header);
        removal.put(NDA_DST, ip);
        if (const auto answer = socket.request(removal); !answer && answer.error().code != ENOENT)
            return errno_failure("delete neighbour", ip.text(), answer.error().code);
    }
    return {};
}

Result<LabNodes> LabNodes::open(const LabDescription &lab)
{
    LabNodes nodes;
    for (const std::string &name : lab.nodes()) {
        TRY_ASSIGN(LabNode node, LabNode::open(namespace_of(lab.name, name)));
        nodes.nodes_.emplace(name, std::move(node));
    }
    return nodes;
}

} // namespace xvtep
