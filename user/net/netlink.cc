// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/netlink.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "user/net/link_message.h"
#include "user/net/netlink_socket.h"

namespace xvtep {

namespace {

Failure refused(std::string_view operation, std::string_view object, const Refusal &refusal)
{
    return errno_failure(operation, object, refusal.code, refusal.detail);
}

// The kernel would take "x%d" as a pattern, and netlink cut a long name short.
Result<> check_name(std::string_view operation, const std::string &name)
{
    if (name.size() >= IFNAMSIZ)
        return usage_failure(operation, name, "interface name longer than 15 characters");
    if (name.empty() || name == "." || name == ".." ||
        name.find_first_of(std::string_view("/:% \t\n\v\f\r\0", 10)) != std::string::npos)
        return usage_failure(operation, name, "not an interface name");
    return {};
}

ifinfomsg link_header(int index = 0)
{
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = index;
    return header;
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

Message fdb_request(std::uint16_t type, int flags, int index, const KernelFdbEntry &entry)
{
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = index;
    header.ndm_flags = NTF_SELF;
    header.ndm_state = entry.state != 0 ? entry.state : NUD_PERMANENT | NUD_NOARP;
    Message message(type, flags, header);
    message.put(NDA_LLADDR, entry.mac);
    if (entry.dst)
        message.put(NDA_DST, *entry.dst);
    if (entry.port != 0)
        message.put(NDA_PORT, htons(entry.port));
    if (entry.vni != 0)
        message.put(NDA_VNI, entry.vni);
    if (entry.via != 0)
        message.put(NDA_IFINDEX, static_cast<std::uint32_t>(entry.via));
    return message;
}

// By the device: a line of its own, or (`bridges`) of the bridge that it is in.
std::optional<std::pair<int, KernelFdbEntry>> parse_fdb(const nlmsghdr &message, bool bridges)
{
    const auto *const header = payload<ndmsg>(message);
    if (message.nlmsg_type != RTM_NEWNEIGH || !header)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), NDA_MAX);
    const bool self = (header->ndm_flags & NTF_SELF) != 0;
    if (bridges ? self || !attributes.get<std::uint32_t>(NDA_MASTER) : !self)
        return std::nullopt;
    KernelFdbEntry entry;
    entry.mac = attributes.mac(NDA_LLADDR).value_or(Mac{});
    entry.dst = attributes.ip(NDA_DST);
    entry.port = ntohs(attributes.get_or<std::uint16_t>(NDA_PORT, 0));
    entry.vni = attributes.get_or<std::uint32_t>(NDA_VNI, 0);
    entry.via = attributes.get_or<int>(NDA_IFINDEX, 0);
    entry.state = header->ndm_state;
    entry.flags = header->ndm_flags;
    return std::pair(header->ndm_ifindex, entry);
}

std::optional<KernelNeighbour> parse_neighbour(const nlmsghdr &message, int index)
{
    const auto *const header = payload<ndmsg>(message);
    if (message.nlmsg_type != RTM_NEWNEIGH || !header || header->ndm_ifindex != index)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), NDA_MAX);
    const auto ip = attributes.ip(NDA_DST);
    if (!ip)
        return std::nullopt;
    return KernelNeighbour{*ip, attributes.mac(NDA_LLADDR).value_or(Mac{}), header->ndm_state,
                           header->ndm_flags};
}

std::string fdb_text(const KernelFdbEntry &entry)
{
    return entry.mac.text() + (entry.dst ? " dst " + entry.dst->text() : "");
}

std::optional<Prefix> parse_address(const nlmsghdr &message, int index)
{
    const auto *const header = payload<ifaddrmsg>(message);
    if (message.nlmsg_type != RTM_NEWADDR || !header ||
        header->ifa_index != static_cast<unsigned>(index) ||
        (header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), IFA_MAX);
    // With a peer, IFA_ADDRESS is the peer's.
    const std::optional<Ip> address =
        attributes.ip(attributes[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS);
    if (!address)
        return std::nullopt;
    return Prefix{*address, header->ifa_prefixlen};
}

// RTA_VIA: a next hop of another family than the destination's.
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

// An errno for the routes that lead nowhere, which IPv6 answers with instead of refusing.
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

struct Netlink::Impl {
    NetlinkSocket socket;

    std::expected<Link, Refusal> find(Message &message)
    {
        std::optional<Link> found;
        const auto answer = socket.request(message, [&](const nlmsghdr &line) {
            if (std::optional<Link> link = parse_link(line))
                found = std::move(link);
        });
        if (!answer)
            return std::unexpected(answer.error());
        if (!found)
            return std::unexpected(Refusal{ENODEV, {}});
        return std::move(*found);
    }

    std::expected<Link, Refusal> find(int index)
    {
        Message message(RTM_GETLINK, 0, link_header(index));
        return find(message);
    }

    // What errors call a link that is known by its index.
    std::string name_of(int index)
    {
        const auto link = find(index);
        return link ? link->name : "ifindex " + std::to_string(index);
    }

    std::string on_device(const std::string &text, int index)
    {
        return text + " dev " + name_of(index);
    }

    Result<> request(std::string_view operation, const std::function<std::string()> &object,
                     Message &message)
    {
        if (const auto answer = socket.request(message); !answer)
            return refused(operation, object(), answer.error());
        return {};
    }
};

Netlink::Netlink(std::unique_ptr<Impl> impl) : impl_(std::move(impl))
{
}
Netlink::Netlink(Netlink &&) noexcept = default;
Netlink &Netlink::operator=(Netlink &&) noexcept = default;
Netlink::~Netlink() = default;

Result<Netlink> Netlink::open()
{
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    return Netlink(std::make_unique<Impl>(std::move(socket)));
}

Result<std::vector<Link>> Netlink::links()
{
    Message message(RTM_GETLINK, 0, link_header());
    auto links = impl_->socket.dump<Link>(message, parse_link);
    if (!links)
        return refused("list links", "", links.error());
    return std::move(*links);
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

Result<> Netlink::change_vxlan_local(int index, const Ip &local)
{
    Message message(RTM_NEWLINK, 0, link_header(index));
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        put_kind(message, "vxlan");
        const Message::Nest data(message, IFLA_INFO_DATA);
        message.put(local.is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, local);
    }
    return impl_->request(
        "set link", [&] { return impl_->name_of(index); }, message);
}

Result<std::vector<Prefix>> Netlink::addresses(int index)
{
    // Sifted here: asked for one device, the kernel reports it as missing where it has no IPv4.
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

Result<> Netlink::replace_neighbour(int index, const Ip &address, const Mac &mac)
{
    ndmsg header{};
    header.ndm_family = static_cast<std::uint8_t>(address.family());
    header.ndm_ifindex = index;
    header.ndm_state = NUD_PERMANENT;
    Message message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
    message.put(NDA_DST, address);
    message.put(NDA_LLADDR, mac);
    return impl_->request(
        "set neighbour", [&] { return impl_->on_device(address.text(), index); }, message);
}

Result<> Netlink::correct_neighbour(int index, const Ip &address, const Mac &mac)
{
    ndmsg header{};
    header.ndm_family = static_cast<std::uint8_t>(address.family());
    header.ndm_ifindex = index;
    const auto object = [&] { return impl_->on_device(address.text(), index); };
    bool stale = false;
    Message get(RTM_GETNEIGH, 0, header);
    get.put(NDA_DST, address);
    const auto found = impl_->socket.request(get, [&](const nlmsghdr &message) {
        const auto *const there = payload<ndmsg>(message);
        if (message.nlmsg_type != RTM_NEWNEIGH || !there)
            return;
        const Attributes attributes(message, sizeof(*there), NDA_MAX);
        stale = (there->ndm_state & (NUD_PERMANENT | NUD_NOARP)) == 0 &&
                attributes.mac(NDA_LLADDR).value_or(mac) != mac;
    });
    if (!found && found.error().code != ENOENT)
        return refused("get neighbour", object(), found.error());
    if (!stale)
        return {};
    header.ndm_state = NUD_STALE;
    Message change(RTM_NEWNEIGH, NLM_F_REPLACE, header);
    change.put(NDA_DST, address);
    change.put(NDA_LLADDR, mac);
    return impl_->request("correct neighbour", object, change);
}

Result<std::vector<KernelNeighbour>> Netlink::neighbours(int index)
{
    Message message(RTM_GETNEIGH, 0, ndmsg{});
    message.put(NDA_IFINDEX, static_cast<std::uint32_t>(index));
    auto found = impl_->socket.dump<KernelNeighbour>(
        message, [&](const nlmsghdr &line) { return parse_neighbour(line, index); });
    if (!found)
        return refused("list neighbours", "dev " + impl_->name_of(index), found.error());
    return std::move(*found);
}

Result<std::vector<KernelFdbEntry>> Netlink::fdb(int index)
{
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = index;
    Message message(RTM_GETNEIGH, 0, header);
    auto found = impl_->socket.dump<KernelFdbEntry>(
        message, [&](const nlmsghdr &line) -> std::optional<KernelFdbEntry> {
            const auto parsed = parse_fdb(line, false);
            return parsed && parsed->first == index ? std::optional(parsed->second) : std::nullopt;
        });
    if (!found)
        return refused("list fdb", "dev " + impl_->name_of(index), found.error());
    return std::move(*found);
}

Result<std::vector<std::pair<int, KernelFdbEntry>>> Netlink::bridge_fdb()
{
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    Message message(RTM_GETNEIGH, 0, header);
    auto found = impl_->socket.dump<std::pair<int, KernelFdbEntry>>(
        message, [](const nlmsghdr &line) { return parse_fdb(line, true); });
    if (!found)
        return refused("list", "bridge fdb", found.error());
    return std::move(*found);
}

Result<> Netlink::delete_bridge_fdb(int port, const Mac &mac)
{
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = port;
    header.ndm_flags = NTF_MASTER;
    Message message(RTM_DELNEIGH, 0, header);
    message.put(NDA_LLADDR, mac);
    return impl_->request(
        "delete bridge fdb", [&] { return impl_->on_device(mac.text(), port); }, message);
}

Result<std::vector<KernelFdbEntry>> some_kernel_fdb(int index, std::size_t most)
{
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = index;
    Message message(RTM_GETNEIGH, 0, header);
    std::vector<KernelFdbEntry> found;
    const auto answer = socket.peek(message, [&](const nlmsghdr &line) {
        if (const auto parsed = parse_fdb(line, false); parsed && parsed->first == index)
            found.push_back(parsed->second);
        return found.size() < most;
    });
    if (!answer)
        return refused("list fdb", "ifindex " + std::to_string(index), answer.error());
    return found;
}

Result<> Netlink::append_fdb(int index, const KernelFdbEntry &entry)
{
    Message message = fdb_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, index, entry);
    return impl_->request(
        "append fdb", [&] { return impl_->on_device(fdb_text(entry), index); }, message);
}

Result<> Netlink::replace_fdb(int index, const KernelFdbEntry &entry)
{
    Message message = fdb_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, entry);
    return impl_->request(
        "replace fdb", [&] { return impl_->on_device(fdb_text(entry), index); }, message);
}

Result<std::size_t> Netlink::add_fdb(int index, std::span<const KernelFdbEntry> entries)
{
    constexpr std::size_t most = 128; // in one system call
    for (std::size_t made = 0; made < entries.size();) {
        const auto part = entries.subspan(made, std::min(most, entries.size() - made));
        std::vector<Message> messages;
        messages.reserve(part.size());
        for (const auto &entry : part)
            messages.push_back(fdb_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, index, entry));
        const auto errors = impl_->socket.request_each(messages);
        if (!errors)
            return refused("add fdb", "dev " + impl_->name_of(index), errors.error());
        const auto bad = std::ranges::find_if(*errors, [](int error) { return error != 0; });
        const auto good = static_cast<std::size_t>(bad - errors->begin());
        made += good;
        if (good == part.size())
            continue;
        for (std::size_t n = good + 1; n < part.size(); n++)
            if ((*errors)[n] == 0)
                (void)delete_fdb(index, part[n]);
        return made;
    }
    return entries.size();
}

Result<> Netlink::delete_fdb(int index, const KernelFdbEntry &entry)
{
    Message message = fdb_request(RTM_DELNEIGH, 0, index, entry);
    return impl_->request(
        "delete fdb", [&] { return impl_->on_device(fdb_text(entry), index); }, message);
}

Result<> Netlink::remove_queue(int index)
{
    tcmsg header{};
    header.tcm_ifindex = index;
    header.tcm_parent = TC_H_ROOT;
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, header);
    message.put(TCA_KIND, std::string("noqueue"));
    return impl_->request(
        "remove queue of", [&] { return "dev " + impl_->name_of(index); }, message);
}

Result<bool> Netlink::has_clsact_filters(int index)
{
    for (const std::uint32_t minor : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        tcmsg header{};
        header.tcm_ifindex = index;
        header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor);
        Message message(RTM_GETTFILTER, 0, header);
        const auto found =
            impl_->socket.dump<bool>(message, [](const nlmsghdr &line) -> std::optional<bool> {
                return line.nlmsg_type == RTM_NEWTFILTER ? std::optional(true) : std::nullopt;
            });
        if (!found)
            return refused("list filters", "dev " + impl_->name_of(index), found.error());
        if (!found->empty())
            return true;
    }
    return false;
}

Result<Netns> Netlink::netns_by_id(int nsid)
{
    const std::string object = "nsid " + std::to_string(nsid);
    bool all = false;
    for (Netns &netns : Netns::visible(&all)) {
        Message message(RTM_GETNSID, 0, rtgenmsg{});
        message.put(NETNSA_FD, static_cast<std::uint32_t>(netns.fd()));
        std::optional<int> known_as;
        const auto answer = impl_->socket.request(message, [&](const nlmsghdr &line) {
            if (line.nlmsg_type == RTM_NEWNSID)
                known_as = Attributes(line, sizeof(rtgenmsg), NETNSA_MAX).get<int>(NETNSA_NSID);
        });
        if (!answer)
            return refused("find namespace", object, answer.error());
        if (known_as && *known_as >= 0 && *known_as == nsid)
            return std::move(netns);
    }
    if (!all)
        return system_failure("find namespace", object, "not all namespaces could be looked at",
                              EAGAIN);
    return system_failure("find namespace", object, "none of the visible namespaces has this id",
                          ENOENT);
}

} // namespace xvtep
