// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/link_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

#include "xvtep/option.h"

namespace xvtep {

namespace {

using Request = AttachRequest;

// Higher than what the header of linux/if_link.h knows: options of newer kernels are read, too.
constexpr int highest_vxlan_attribute = 63;

// Reads an option's attribute into its field; one that is missing counts as 0 or off.
struct Parser {
    const Attributes &data;
    const AttachOption &option;
    VxlanOptions &options;

    void operator()(bool Request::*field) const { options.*field = data.flag(type()); }
    void operator()(std::optional<bool> Request::*field) const
    {
        options.*field = data.flag(type());
    }
    void operator()(std::uint16_t Request::*field) const
    {
        options.*field = ntohs(data.get_or<std::uint16_t>(type(), 0));
    }
    void operator()(std::uint32_t Request::*field) const
    {
        const auto value = data.get_or<std::uint32_t>(type(), 0);
        options.*field = option.kernel.network_order ? ntohl(value) : value;
    }
    void operator()(std::optional<std::uint64_t> Request::*field) const
    {
        if (const auto bits = data.get<std::uint64_t>(type()))
            options.*field = be64toh(*bits);
    }
    void operator()(OrInherit Request::*field) const
    {
        const auto value = data.get_or<std::uint8_t>(type(), 0);
        const bool inherit =
            option.kernel.other != 0 ? data.flag(option.kernel.other) : value == tos_inherit;
        options.*field = {.value = inherit ? std::uint8_t{0} : value, .inherit = inherit};
    }
    void operator()(Df Request::*field) const
    {
        options.*field = static_cast<Df>(data.get_or<std::uint8_t>(type(), 0));
    }
    // `remote` and `group` are one attribute.
    void operator()(std::optional<Ip> Request::*field) const
    {
        const auto ip = data.ip(data[option.kernel.other] ? option.kernel.other : type());
        if (field == &Request::local || (ip && ip->is_multicast()) == (field == &Request::group))
            options.*field = ip;
    }
    void operator()(const PortRangeField &field) const
    {
        const auto range = data.get_or<ifla_vxlan_port_range>(type(), {});
        options.*field.low = ntohs(range.low);
        options.*field.high = ntohs(range.high);
    }
    template <class T> void operator()(T Request::*) const {} // the kernel's device has none such

    static constexpr std::uint8_t tos_inherit = 1;

  private:
    [[nodiscard]] int type() const { return option.kernel.type; }
};

// Writes a field into its option's attribute.
struct Writer {
    Message &message;
    const AttachOption &option;
    const VxlanOptions &options;

    void operator()(bool Request::*field) const
    {
        if (!option.kernel.by_presence)
            octet(options.*field);
        else if (options.*field)
            message.put_flag(type());
    }
    void operator()(std::optional<bool> Request::*field) const
    {
        octet((options.*field).value_or(false));
    }
    void operator()(std::uint16_t Request::*field) const
    {
        message.put(type(), htons(options.*field));
    }
    void operator()(std::uint32_t Request::*field) const
    {
        const std::uint32_t value = options.*field;
        message.put(type(), option.kernel.network_order ? htonl(value) : value);
    }
    void operator()(std::optional<std::uint64_t> Request::*field) const
    {
        if (options.*field)
            message.put(type(), htobe64(*(options.*field)));
    }
    void operator()(OrInherit Request::*field) const
    {
        const OrInherit &value = options.*field;
        if (option.kernel.other == 0) {
            octet(value.inherit ? Parser::tos_inherit : value.value);
            return;
        }
        octet(value.value);
        if (value.inherit)
            message.put_flag(option.kernel.other);
    }
    void operator()(Df Request::*field) const { octet(static_cast<std::uint8_t>(options.*field)); }
    void operator()(std::optional<Ip> Request::*field) const
    {
        if (const auto &ip = options.*field)
            message.put(ip->is_v4() ? type() : option.kernel.other, *ip);
    }
    void operator()(const PortRangeField &field) const
    {
        const std::uint16_t low = options.*field.low, high = options.*field.high;
        if (low != 0 || high != 0)
            message.put(type(), ifla_vxlan_port_range{htons(low), htons(high)});
    }
    template <class T> void operator()(T Request::*) const {}

  private:
    [[nodiscard]] int type() const { return option.kernel.type; }
    void octet(std::uint8_t value) const { message.put(type(), value); }
};

VxlanOptions parse_vxlan(const Attributes &data)
{
    VxlanOptions options;
    for (const AttachOption &option : attach_options())
        if (option.kernel.type != 0)
            std::visit(Parser{data, option, options}, option.field);
    options.lower = static_cast<int>(data.get_or<std::uint32_t>(IFLA_VXLAN_LINK, 0));
    options.gpe = data.flag(IFLA_VXLAN_GPE);
    options.external = data.flag(IFLA_VXLAN_COLLECT_METADATA);
    options.vnifilter = data.flag(IFLA_VXLAN_VNIFILTER);
    options.remcsum = data.flag(IFLA_VXLAN_REMCSUM_TX) || data.flag(IFLA_VXLAN_REMCSUM_RX);
    return options;
}

void parse_xdp(const Attributes &xdp, Link &link)
{
    link.xdp_mode = xdp.get_or<std::uint8_t>(IFLA_XDP_ATTACHED, XDP_ATTACHED_NONE);
    // The kernel gives only the attributes by mode if programs are attached in several modes.
    for (const int type :
         {IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID, IFLA_XDP_HW_PROG_ID}) {
        link.xdp_program = xdp.get_or<std::uint32_t>(type, 0);
        if (link.xdp_program != 0)
            break;
    }
}

} // namespace

std::optional<Link> parse_link(const nlmsghdr &message)
{
    const auto *const header = payload<ifinfomsg>(message);
    if (message.nlmsg_type != RTM_NEWLINK || !header)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), IFLA_MAX);
    const auto word = [&](int type) { return attributes.get_or<std::uint32_t>(type, 0); };

    Link link;
    link.index = header->ifi_index;
    link.type = header->ifi_type;
    link.flags = header->ifi_flags;
    link.name = attributes.string(IFLA_IFNAME);
    link.mac = attributes.mac(IFLA_ADDRESS).value_or(Mac{});
    link.mtu = word(IFLA_MTU);
    link.master = static_cast<int>(word(IFLA_MASTER));
    link.lower = static_cast<int>(word(IFLA_LINK));
    link.lower_nsid = attributes.get<int>(IFLA_LINK_NETNSID);
    link.group = word(IFLA_GROUP);
    link.tx_queues = word(IFLA_NUM_TX_QUEUES);
    link.rx_queues = word(IFLA_NUM_RX_QUEUES);
    parse_xdp(Attributes(attributes[IFLA_XDP], IFLA_XDP_MAX), link);

    // Newer kernels have a longer structure; these counters are among its first.
    rtnl_link_stats64 stats{};
    if (const void *const data = attributes.data(IFLA_STATS64))
        std::memcpy(&stats, data, std::min(sizeof(stats), attributes.size(IFLA_STATS64)));
    link.rx_dropped = stats.rx_dropped;
    link.tx_dropped = stats.tx_dropped;

    const Attributes info(attributes[IFLA_LINKINFO], IFLA_INFO_MAX);
    link.kind = info.string(IFLA_INFO_KIND);
    if (link.kind == "vxlan") {
        link.vxlan = parse_vxlan(Attributes(info[IFLA_INFO_DATA], highest_vxlan_attribute));
        if (link.lower == 0) // the kernel sends no IFLA_LINK for a vxlan device
            link.lower = link.vxlan->lower;
    }
    return link;
}

void put_vxlan(Message &message, const VxlanOptions &options)
{
    for (const AttachOption &option : attach_options())
        if (option.kernel.type != 0)
            std::visit(Writer{message, option, options}, option.field);
    if (options.lower != 0)
        message.put(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(options.lower));
    message.put(IFLA_VXLAN_COLLECT_METADATA, static_cast<std::uint8_t>(options.external));
    if (options.vnifilter) // kernels before 5.18 ignore it
        message.put(IFLA_VXLAN_VNIFILTER, std::uint8_t{1});
    if (options.gpe)
        message.put_flag(IFLA_VXLAN_GPE);
}

void put_vxlan(Message &message, const VxlanOptions &options,
               std::span<const AttachOption *const> rows)
{
    for (const AttachOption *const option : rows)
        std::visit(Writer{message, *option, options}, option->field);
}

} // namespace xvtep
