// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/bridge_snapshot.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "user/net/netlink_socket.h"

namespace xvtep {

namespace {

struct Setting {
    int type;
    const char *name;
};

// What a person may set; timers and counters are left out.
constexpr Setting bridge_settings[] = {
    {IFLA_BR_FORWARD_DELAY, "forward_delay"},
    {IFLA_BR_HELLO_TIME, "hello_time"},
    {IFLA_BR_MAX_AGE, "max_age"},
    {IFLA_BR_AGEING_TIME, "ageing"},
    {IFLA_BR_STP_STATE, "stp"},
    {IFLA_BR_PRIORITY, "priority"},
    {IFLA_BR_BRIDGE_ID, "bridge id"},
    {IFLA_BR_VLAN_FILTERING, "vlan_filtering"},
    {IFLA_BR_VLAN_PROTOCOL, "vlan_protocol"},
    {IFLA_BR_VLAN_DEFAULT_PVID, "vlan_default_pvid"},
    {IFLA_BR_GROUP_FWD_MASK, "group_fwd_mask"},
    {IFLA_BR_GROUP_ADDR, "group address"},
    {IFLA_BR_MCAST_ROUTER, "mcast_router"},
    {IFLA_BR_MCAST_SNOOPING, "mcast_snooping"},
    {IFLA_BR_MCAST_QUERIER, "mcast_querier"},
    {IFLA_BR_NF_CALL_IPTABLES, "nf_call_iptables"},
    {IFLA_BR_NF_CALL_IP6TABLES, "nf_call_ip6tables"},
    {IFLA_BR_NF_CALL_ARPTABLES, "nf_call_arptables"},
    {IFLA_BR_MULTI_BOOLOPT, "options"},
};
constexpr Setting port_settings[] = {
    {IFLA_BRPORT_STATE, "state"},
    {IFLA_BRPORT_PRIORITY, "priority"},
    {IFLA_BRPORT_COST, "cost"},
    {IFLA_BRPORT_MODE, "hairpin"},
    {IFLA_BRPORT_GUARD, "guard"},
    {IFLA_BRPORT_PROTECT, "root block"},
    {IFLA_BRPORT_FAST_LEAVE, "fastleave"},
    {IFLA_BRPORT_LEARNING, "learning"},
    {IFLA_BRPORT_UNICAST_FLOOD, "flood"},
    {IFLA_BRPORT_MCAST_FLOOD, "mcast_flood"},
    {IFLA_BRPORT_BCAST_FLOOD, "bcast_flood"},
    {IFLA_BRPORT_PROXYARP, "proxy_arp"},
    {IFLA_BRPORT_VLAN_TUNNEL, "vlan_tunnel"},
    {IFLA_BRPORT_NEIGH_SUPPRESS, "neigh_suppress"},
    {IFLA_BRPORT_ISOLATED, "isolated"},
    {IFLA_BRPORT_GROUP_FWD_MASK, "group_fwd_mask"},
};

std::string hex(const Attributes &attributes, int type)
{
    const auto *const bytes = static_cast<const std::uint8_t *>(attributes.data(type));
    std::string text;
    for (std::size_t i = 0; i < attributes.size(type); i++)
        text += fmt::format("{:02x}", bytes[i]);
    return text;
}

template <std::size_t N>
void add_settings(BridgeSnapshot &snapshot, const std::string &name, const nlattr *nest,
                  int highest, const Setting (&settings)[N])
{
    const Attributes attributes(nest, highest);
    for (const Setting &setting : settings)
        if (attributes[setting.type])
            snapshot[name + " " + setting.name] = hex(attributes, setting.type);
}

Result<> add_device(LabNode &node, NetlinkSocket &socket, const Link &link,
                    BridgeSnapshot &snapshot)
{
    snapshot[link.name + " ifindex"] = std::to_string(link.index);
    snapshot[link.name + " kind"] = link.kind;
    snapshot[link.name + " address"] = link.mac.text();
    snapshot[link.name + " mtu"] = std::to_string(link.mtu);
    snapshot[link.name + " flags"] = fmt::format("{:x}", link.flags);
    snapshot[link.name + " master"] = std::to_string(link.master);
    snapshot[link.name + " group"] = std::to_string(link.group);
    TRY_ASSIGN(const std::vector<Prefix> prefixes, node.netlink.addresses(link.index));
    std::string addresses;
    for (const Prefix &prefix : prefixes)
        addresses += " " + prefix.text();
    snapshot[link.name + " addresses"] = addresses;

    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = link.index;
    Message message(RTM_GETLINK, 0, header);
    const auto answer = socket.request(message, [&](const nlmsghdr &line) {
        if (line.nlmsg_type != RTM_NEWLINK)
            return;
        const Attributes attributes(line, sizeof(header), IFLA_MAX);
        const Attributes info(attributes[IFLA_LINKINFO], IFLA_INFO_MAX);
        if (link.kind == "bridge")
            add_settings(snapshot, link.name, info[IFLA_INFO_DATA], IFLA_BR_MAX, bridge_settings);
        if (info.string(IFLA_INFO_SLAVE_KIND) == "bridge")
            add_settings(snapshot, link.name, info[IFLA_INFO_SLAVE_DATA], IFLA_BRPORT_MAX,
                         port_settings);
    });
    if (!answer)
        return errno_failure("read link", link.name, answer.error().code);
    return {};
}

} // namespace

Result<BridgeSnapshot> snapshot_bridge(LabNode &node, const std::string &bridge,
                                       const std::vector<std::string> &except)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    TRY_ASSIGN(const Link master, node.netlink.link(bridge));
    TRY_ASSIGN(const std::vector<Link> links, node.netlink.links());
    BridgeSnapshot snapshot;
    for (const Link &link : links)
        if (link.index == master.index ||
            (link.master == master.index && std::ranges::find(except, link.name) == except.end()))
            TRY(add_device(node, socket, link, snapshot));
    return snapshot;
}

std::string difference(const BridgeSnapshot &before, const BridgeSnapshot &after)
{
    const auto text = [](const BridgeSnapshot &snapshot, const std::string &name) {
        const auto found = snapshot.find(name);
        return found == snapshot.end() ? "nothing" : found->second;
    };
    for (const BridgeSnapshot &snapshot : {before, after})
        for (const auto &[name, value] : snapshot)
            if (text(before, name) != text(after, name))
                return fmt::format("{}: {} became {}", name, text(before, name), text(after, name));
    return "";
}

} // namespace xvtep
