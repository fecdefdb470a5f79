// SPDX-License-Identifier: GPL-2.0-only
// "route": a node has a route in its main table.
#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "user/lab/check.h"
#include "user/lab/values.h"
#include "user/net/netlink_socket.h"

namespace xvtep {

namespace {

struct MainRoute {
    Prefix to;
    std::optional<Ip> via;
    int oif = 0;
};

std::optional<MainRoute> parse_route(const nlmsghdr &message)
{
    const auto *const header = payload<rtmsg>(message);
    if (message.nlmsg_type != RTM_NEWROUTE || !header || header->rtm_type != RTN_UNICAST)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), RTA_MAX);
    if (attributes.get_or<std::uint32_t>(RTA_TABLE, header->rtm_table) != RT_TABLE_MAIN)
        return std::nullopt;
    const Ip any = header->rtm_family == AF_INET ? Ip::v4(0) : Ip{};
    return MainRoute{{attributes.ip(RTA_DST).value_or(any), header->rtm_dst_len},
                     attributes.ip(RTA_GATEWAY),
                     attributes.get_or<int>(RTA_OIF, 0)};
}

class RouteCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("node", node_, names.node());
        json.need("to", to_);
        json.need("dev", dev_, read_ifname);
        json.take("via", via_);
        names.check_device(json, {node_, dev_});
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} has the route {}{} dev {}", node_, to_.text(),
                               via_ ? " via " + via_->text() : "", dev_),
                   find(run));
    }

  private:
    Result<std::string> find(CheckRun &run)
    {
        LabNode &node = run.node(node_);
        TRY_ASSIGN(const int oif, node.index_of(dev_));
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
        rtmsg header{};
        header.rtm_family = static_cast<std::uint8_t>(to_.address.family());
        Message message(RTM_GETROUTE, 0, header);
        const auto routes = socket.dump<MainRoute>(message, parse_route);
        if (!routes)
            return errno_failure("list routes", "", routes.error().code);
        const auto is_it = [&](const MainRoute &route) {
            return route.to == to_ && route.via == via_ && route.oif == oif;
        };
        if (std::ranges::none_of(*routes, is_it))
            return check_failure("route", "not there");
        return std::string();
    }

    std::string node_;
    Prefix to_;
    std::optional<Ip> via_;
    std::string dev_;
};

const CheckType<RouteCheck> route_check("route");

} // namespace

} // namespace xvtep
