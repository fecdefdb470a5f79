// SPDX-License-Identifier: GPL-2.0-only
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "user/net/netlink_impl.h"

namespace xvtep {

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

} // namespace xvtep
