// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/xfrm.h"

#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>

#include "user/base/fd.h"

namespace xvtep {

Result<bool> has_ipsec_policies()
{
    constexpr const char *operation = "list", *object = "IPsec policies";
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM));
    if (!socket && errno == EPROTONOSUPPORT)
        return false;
    if (!socket)
        return errno_failure(operation, object, errno);
    constexpr timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    struct {
        nlmsghdr header;
        xfrm_userpolicy_id id;
    } request{};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = XFRM_MSG_GETPOLICY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (::send(socket.get(), &request, sizeof(request), 0) < 0)
        return errno_failure(operation, object, errno);
    // The first message suffices. It is NLMSG_DONE if the table is empty.
    alignas(nlmsghdr) std::array<char, 16384> answer{};
    const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (got < 0)
        return errno_failure(operation, object, errno);
    const auto *const first = reinterpret_cast<const nlmsghdr *>(answer.data());
    return static_cast<std::size_t>(got) >= sizeof(*first) &&
           first->nlmsg_type == XFRM_MSG_NEWPOLICY;
}

} // namespace xvtep
