// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/entries.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "user/net/netlink_socket.h"
#include "xvtep/fdb.h"
#include "xvtep/listener.h"
#include "xvtep/neigh.h"

namespace xvtep {

namespace {

Result<std::vector<FdbLine>> kernel_fdb(LabNode &node, const std::string &device)
{
    TRY_ASSIGN(const Link link, node.netlink.link(device));
    TRY_ASSIGN(const auto entries, node.netlink.fdb(link.index));
    std::vector<FdbLine> lines;
    for (const KernelFdbEntry &entry : entries) {
        std::string via;
        if (entry.via != 0) {
            TRY_ASSIGN(const Link port, node.netlink.link(entry.via));
            via = port.name;
        }
        if (entry.dst)
            lines.push_back({entry.mac, *entry.dst, via, !(entry.state & NUD_PERMANENT)});
    }
    return lines;
}

// The kernel's own; those of ARP and ND that nobody has to make (multicast, loopback) stay.
Result<> flush_kernel_neigh(LabNode &node, const std::string &device)
{
    TRY_ASSIGN(const Link link, node.netlink.link(device));
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
    Message list(RTM_GETNEIGH, 0, ndmsg{});
    const auto lines = socket.dump<std::pair<ndmsg, Ip>>(
        list, [&](const nlmsghdr &message) -> std::optional<std::pair<ndmsg, Ip>> {
            const auto *const header = payload<ndmsg>(message);
            if (!header || header->ndm_ifindex != link.index || header->ndm_state & NUD_NOARP)
                return std::nullopt;
            if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
                return std::nullopt;
            const auto ip = Attributes(message, sizeof(*header), NDA_MAX).ip(NDA_DST);
            return ip ? std::optional(std::pair(*header, *ip)) : std::nullopt;
        });
    if (!lines)
        return errno_failure("list neighbours", device, lines.error().code);
    for (const auto &[header, ip] : *lines) {
        Message removal(RTM_DELNEIGH, 0, header);
        removal.put(NDA_DST, ip);
        if (const auto answer = socket.request(removal); !answer && answer.error().code != ENOENT)
            return errno_failure("delete neighbour", ip.text(), answer.error().code);
    }
    return {};
}

} // namespace

Result<std::vector<FdbLine>> list_fdb(LabNode &node, const std::string &device, bool kernel)
{
    if (kernel)
        return kernel_fdb(node, device);
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY_ASSIGN(const auto entries, show_fdb(device));
    std::vector<FdbLine> lines;
    for (const FdbEntry &entry : entries)
        lines.push_back(
            {entry.mac, entry.dst, entry.via, entry.state == FdbState::dynamic && entry.learned});
    return lines;
}

Result<> add_fdb(LabNode &node, const std::string &device, const Mac &mac, const Ip &dst,
                 bool kernel)
{
    if (kernel) {
        TRY_ASSIGN(const Link link, node.netlink.link(device));
        KernelFdbEntry entry;
        entry.mac = mac;
        entry.dst = dst;
        return node.netlink.append_fdb(link.index, entry);
    }
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    FdbEntry entry;
    entry.mac = mac;
    entry.device = device;
    entry.dst = dst;
    return write_fdb(mac.is_zero() ? FdbVerb::append : FdbVerb::add, entry);
}

Result<> flush_fdb(LabNode &node, const std::string &device, bool kernel)
{
    if (!kernel) {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        return flush_fdb(device, false);
    }
    TRY_ASSIGN(const Link link, node.netlink.link(device));
    TRY_ASSIGN(const auto entries, node.netlink.fdb(link.index));
    for (const KernelFdbEntry &entry : entries)
        if (entry.dst)
            TRY(node.netlink.delete_fdb(link.index, entry));
    return {};
}

Result<> replace_neigh(LabNode &node, const std::string &device, const LabNeighbour &neighbour,
                       bool kernel)
{
    if (kernel) {
        TRY_ASSIGN(const Link link, node.netlink.link(device));
        return node.netlink.replace_neighbour(link.index, neighbour.ip, neighbour.mac);
    }
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    return write_neigh(NeighVerb::replace, {neighbour.ip, device, neighbour.mac, neighbour.state});
}

Result<> flush_neigh(LabNode &node, const std::string &device, bool xvteps)
{
    TRY(flush_kernel_neigh(node, device));
    if (!xvteps)
        return {};
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    return xvtep::flush_neigh(device);
}

Result<bool> has_neigh(LabNode &node, const std::string &device, const Ip &ip)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY_ASSIGN(const auto entries, show_neigh(device));
    return std::ranges::any_of(entries, [&](const NeighEntry &entry) { return entry.ip == ip; });
}

struct MissWatch::Impl : MissListener {
    explicit Impl(LabNode &node_, MissSource source_) : node(node_), source(std::move(source_)) {}

    void on_l2miss(const L2Miss &miss) override { misses.push_back({miss.ifname, {}, miss.mac}); }
    void on_l3miss(const L3Miss &miss) override { misses.push_back({miss.ifname, miss.ip, {}}); }

    LabNode &node;
    MissSource source;
    std::vector<LabMiss> misses;
};

MissWatch::MissWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl))
{
}
MissWatch::MissWatch(MissWatch &&) noexcept = default;

MissWatch::~MissWatch()
{
    if (!impl_)
        return;
    const auto scope = impl_->node.netns.enter(); // the source unsubscribes there
    impl_.reset();
}

Result<MissWatch> MissWatch::open(LabNode &node)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    auto source = MissSource::open();
    if (!source)
        return system_failure("monitor", node.name, source.error().message());
    return MissWatch(std::make_unique<Impl>(node, std::move(*source)));
}

Result<std::vector<LabMiss>> MissWatch::drain()
{
    TRY_ASSIGN(const Netns::Scope scope, impl_->node.netns.enter());
    if (const auto seen = impl_->source.poll(*impl_, std::chrono::milliseconds(0)); !seen)
        return system_failure("monitor", impl_->node.name, seen.error().message());
    return std::exchange(impl_->misses, {});
}

} // namespace xvtep
