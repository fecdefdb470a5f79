// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "user/net/netlink_impl.h"

namespace xvtep {
namespace {

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
    if (entry.src_vni != 0)
        message.put(NDA_SRC_VNI, entry.src_vni);
    if (entry.via != 0)
        message.put(NDA_IFINDEX, static_cast<std::uint32_t>(entry.via));
    return message;
}

// The kernel answers a dump with the entries of devices themselves and those of their bridges.
enum class FdbOf { device, bridge };

// Returns the device and the entry if it belongs to `owner`.
std::optional<std::pair<int, KernelFdbEntry>> parse_fdb(const nlmsghdr &message, FdbOf owner)
{
    const auto *const header = payload<ndmsg>(message);
    if (message.nlmsg_type != RTM_NEWNEIGH || !header)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), NDA_MAX);
    const bool self = (header->ndm_flags & NTF_SELF) != 0;
    if (owner == FdbOf::bridge ? self || !attributes.get<std::uint32_t>(NDA_MASTER) : !self)
        return std::nullopt;
    KernelFdbEntry entry;
    entry.mac = attributes.mac(NDA_LLADDR).value_or(Mac{});
    entry.dst = attributes.ip(NDA_DST);
    entry.port = ntohs(attributes.get_or<std::uint16_t>(NDA_PORT, 0));
    entry.vni = attributes.get_or<std::uint32_t>(NDA_VNI, 0);
    entry.src_vni = attributes.get_or<std::uint32_t>(NDA_SRC_VNI, 0);
    entry.via = attributes.get_or<int>(NDA_IFINDEX, 0);
    entry.state = header->ndm_state;
    entry.flags = header->ndm_flags;
    return std::pair(header->ndm_ifindex, entry);
}

// Of one device, or of all if `index` is 0.
std::optional<std::pair<int, KernelNeighbour>> parse_neighbour(const nlmsghdr &message, int index)
{
    const auto *const header = payload<ndmsg>(message);
    if (message.nlmsg_type != RTM_NEWNEIGH || !header ||
        (index != 0 && header->ndm_ifindex != index))
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), NDA_MAX);
    const auto ip = attributes.ip(NDA_DST);
    if (!ip)
        return std::nullopt;
    return std::pair(header->ndm_ifindex,
                     KernelNeighbour{*ip, attributes.mac(NDA_LLADDR).value_or(Mac{}),
                                     header->ndm_state, header->ndm_flags});
}

std::string fdb_text(const KernelFdbEntry &entry)
{
    return entry.mac.text() + (entry.dst ? " dst " + entry.dst->text() : "");
}

} // namespace

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
        message, [&](const nlmsghdr &line) -> std::optional<KernelNeighbour> {
            const auto parsed = parse_neighbour(line, index);
            return parsed ? std::optional(parsed->second) : std::nullopt;
        });
    if (!found)
        return refused("list neighbours", "dev " + impl_->name_of(index), found.error());
    return std::move(*found);
}

Result<std::multimap<int, KernelNeighbour>> Netlink::neighbours()
{
    Message message(RTM_GETNEIGH, 0, ndmsg{});
    const auto found = impl_->socket.dump<std::pair<int, KernelNeighbour>>(
        message, [](const nlmsghdr &line) { return parse_neighbour(line, 0); });
    if (!found)
        return refused("list", "neighbours", found.error());
    return std::multimap<int, KernelNeighbour>(found->begin(), found->end());
}

Result<std::vector<KernelFdbEntry>> Netlink::fdb(int index)
{
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = index;
    Message message(RTM_GETNEIGH, 0, header);
    auto found = impl_->socket.dump<KernelFdbEntry>(
        message, [&](const nlmsghdr &line) -> std::optional<KernelFdbEntry> {
            const auto parsed = parse_fdb(line, FdbOf::device);
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
        message, [](const nlmsghdr &line) { return parse_fdb(line, FdbOf::bridge); });
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
        if (const auto parsed = parse_fdb(line, FdbOf::device); parsed && parsed->first == index)
            found.push_back(parsed->second);
        return found.size() < most;
    });
    if (!answer)
        return refused("list fdb", "ifindex " + std::to_string(index), answer.error());
    return found;
}

Result<KernelFdbs> some_kernel_fdbs(std::size_t most)
{
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    Message message(RTM_GETNEIGH, 0, header);
    KernelFdbs found;
    const auto answer = socket.peek(message, [&](const nlmsghdr &line) {
        if (auto parsed = parse_fdb(line, FdbOf::device)) {
            auto &entries = found.of[parsed->first];
            entries.push_back(std::move(parsed->second));
            found.complete = found.complete && entries.size() < most;
        }
        return found.complete;
    });
    if (!answer)
        return refused("list", "fdb", answer.error());
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

} // namespace xvtep
