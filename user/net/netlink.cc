// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/netlink.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

#include "user/net/netlink_impl.h"

namespace xvtep {

Failure refused(std::string_view operation, std::string_view object, const Refusal &refusal)
{
    return errno_failure(operation, object, refusal.code, refusal.detail);
}

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
