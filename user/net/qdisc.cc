// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "user/net/netlink_impl.h"

namespace xvtep {
namespace {

std::optional<ClsactQdisc> parse_clsact(const nlmsghdr &line)
{
    const auto *const header = payload<tcmsg>(line);
    if (line.nlmsg_type != RTM_NEWQDISC || header == nullptr || header->tcm_parent != TC_H_CLSACT)
        return std::nullopt;
    const Attributes attributes(line, sizeof(*header), TCA_MAX);
    return ClsactQdisc{.ifindex = header->tcm_ifindex,
                       .ingress_block = attributes.get_or<std::uint32_t>(TCA_INGRESS_BLOCK, 0),
                       .egress_block = attributes.get_or<std::uint32_t>(TCA_EGRESS_BLOCK, 0)};
}

tcmsg block_header(std::uint32_t block, std::uint32_t handle, std::uint16_t priority)
{
    tcmsg header{};
    header.tcm_ifindex = static_cast<int>(TCM_IFINDEX_MAGIC_BLOCK);
    header.tcm_block_index = block;
    header.tcm_handle = handle;
    header.tcm_info = TC_H_MAKE(std::uint32_t{priority} << 16, htons(ETH_P_ALL));
    return header;
}

} // namespace

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

Result<std::vector<ClsactQdisc>> Netlink::clsact_qdiscs()
{
    Message message(RTM_GETQDISC, 0, tcmsg{});
    auto found = impl_->socket.dump<ClsactQdisc>(message, parse_clsact);
    if (!found)
        return refused("list qdiscs", "", found.error());
    return std::move(*found);
}

Result<> Netlink::add_clsact(int index, std::uint32_t ingress_block, std::uint32_t egress_block)
{
    tcmsg header{};
    header.tcm_ifindex = index;
    header.tcm_parent = TC_H_CLSACT;
    header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header);
    message.put(TCA_KIND, std::string("clsact"));
    message.put(TCA_INGRESS_BLOCK, ingress_block);
    message.put(TCA_EGRESS_BLOCK, egress_block);
    return impl_->request(
        "add clsact qdisc", [&] { return "dev " + impl_->name_of(index); }, message);
}

Result<> Netlink::put_block_filter(std::uint32_t block, const BlockFilter &filter, OldFilter old)
{
    Message message(RTM_NEWTFILTER,
                    NLM_F_CREATE | (old == OldFilter::kept ? NLM_F_EXCL : NLM_F_REPLACE),
                    block_header(block, filter.handle, filter.priority));
    message.put(TCA_KIND, std::string("bpf"));
    {
        const Message::Nest options(message, TCA_OPTIONS);
        message.put(TCA_BPF_FD, static_cast<std::uint32_t>(filter.program_fd));
        message.put(TCA_BPF_NAME, filter.name);
        message.put(TCA_BPF_FLAGS, std::uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
    }
    auto done = impl_->request(
        "write filter", [&] { return filter.name; }, message);
    if (!done && done.error().code == EEXIST && old == OldFilter::kept)
        return {};
    return done;
}

Result<std::string> Netlink::block_filter_name(std::uint32_t block, std::uint32_t handle,
                                               std::uint16_t priority)
{
    // A dump, because a request for one filter also fails where there is no such block.
    Message message(RTM_GETTFILTER, 0, block_header(block, 0, priority));
    std::string name;
    const auto found =
        impl_->socket.dump<bool>(message, [&](const nlmsghdr &line) -> std::optional<bool> {
            const auto *const filter = payload<tcmsg>(line);
            if (line.nlmsg_type != RTM_NEWTFILTER || filter == nullptr ||
                filter->tcm_handle != handle)
                return std::nullopt;
            const Attributes attributes(line, sizeof(*filter), TCA_MAX);
            if (attributes.string(TCA_KIND) == "bpf")
                name = Attributes(attributes[TCA_OPTIONS], TCA_BPF_MAX).string(TCA_BPF_NAME);
            return std::nullopt;
        });
    if (!found && found.error().code != EINVAL) // EINVAL: the block is gone
        return refused("list filters", "block " + std::to_string(block), found.error());
    return name;
}

} // namespace xvtep
