// SPDX-License-Identifier: GPL-2.0-only
// What the source files of class Netlink share: the socket, and how it reports errors.
#pragma once

#include <linux/rtnetlink.h>

#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "user/net/link_message.h"
#include "user/net/netlink.h"
#include "user/net/netlink_socket.h"

namespace xvtep {

Failure refused(std::string_view operation, std::string_view object, const Refusal &refusal);

ifinfomsg link_header(int index = 0);

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

    // The name of a link, for errors.
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

} // namespace xvtep
