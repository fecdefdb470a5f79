// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/link_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

namespace xvtep {

namespace {

constexpr int vxlan_reserved_bits = 33; // IFLA_VXLAN_RESERVED_BITS, which old headers have not

VxlanOptions parse_vxlan(const Attributes &data)
{
    VxlanOptions options;
    const auto octet = [&](int type) { return data.get_or<std::uint8_t>(type, 0); };
    const auto word = [&](int type) { return data.get_or<std::uint32_t>(type, 0); };

    options.vni = word(IFLA_VXLAN_ID);
    options.remote = data.ip(data[IFLA_VXLAN_GROUP6] ? IFLA_VXLAN_GROUP6 : IFLA_VXLAN_GROUP);
    options.local = data.ip(data[IFLA_VXLAN_LOCAL6] ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL);
    options.lower = static_cast<int>(word(IFLA_VXLAN_LINK));
    options.dstport = ntohs(data.get_or<std::uint16_t>(IFLA_VXLAN_PORT, 0));
    if (const auto range = data.get<ifla_vxlan_port_range>(IFLA_VXLAN_PORT_RANGE)) {
        options.srcport_min = ntohs(range->low);
        options.srcport_max = ntohs(range->high);
    }
    options.ttl = octet(IFLA_VXLAN_TTL);
    options.ttl_inherit = data.flag(IFLA_VXLAN_TTL_INHERIT);
    options.tos = octet(IFLA_VXLAN_TOS);
    options.df = octet(IFLA_VXLAN_DF);
    options.flowlabel = ntohl(word(IFLA_VXLAN_LABEL));
    options.learning = data.flag(IFLA_VXLAN_LEARNING);
    options.proxy = data.flag(IFLA_VXLAN_PROXY);
    options.rsc = data.flag(IFLA_VXLAN_RSC);
    options.l2miss = data.flag(IFLA_VXLAN_L2MISS);
    options.l3miss = data.flag(IFLA_VXLAN_L3MISS);
    options.udpcsum = data.flag(IFLA_VXLAN_UDP_CSUM);
    options.udp6zerocsumtx = data.flag(IFLA_VXLAN_UDP_ZERO_CSUM6_TX);
    options.udp6zerocsumrx = data.flag(IFLA_VXLAN_UDP_ZERO_CSUM6_RX);
    options.gbp = data.flag(IFLA_VXLAN_GBP);
    options.gpe = data.flag(IFLA_VXLAN_GPE);
    options.collect_metadata = data.flag(IFLA_VXLAN_COLLECT_METADATA);
    options.ageing = word(IFLA_VXLAN_AGEING);
    options.maxaddress = word(IFLA_VXLAN_LIMIT);
    return options;
}

void parse_xdp(const Attributes &xdp, Link &link)
{
    link.xdp_mode = xdp.get_or<std::uint8_t>(IFLA_XDP_ATTACHED, XDP_ATTACHED_NONE);
    // With programs in several modes the kernel names them by mode only.
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

    // The structure grows with the kernels; the counters wanted are among its first.
    rtnl_link_stats64 stats{};
    if (const void *const data = attributes.data(IFLA_STATS64))
        std::memcpy(&stats, data, std::min(sizeof(stats), attributes.size(IFLA_STATS64)));
    link.rx_dropped = stats.rx_dropped;
    link.tx_dropped = stats.tx_dropped;

    const Attributes info(attributes[IFLA_LINKINFO], IFLA_INFO_MAX);
    link.kind = info.string(IFLA_INFO_KIND);
    if (link.kind == "vxlan") {
        link.vxlan = parse_vxlan(Attributes(info[IFLA_INFO_DATA], IFLA_VXLAN_MAX));
        if (link.lower == 0) // of a vxlan device the kernel sends no IFLA_LINK
            link.lower = link.vxlan->lower;
    }
    return link;
}

void put_vxlan(Message &message, const VxlanOptions &options)
{
    const auto put_octet = [&](int type, std::uint8_t value) { message.put(type, value); };

    message.put(IFLA_VXLAN_ID, options.vni);
    if (options.remote)
        message.put(options.remote->is_v4() ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6,
                    *options.remote);
    if (options.local)
        message.put(options.local->is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, *options.local);
    if (options.lower != 0)
        message.put(IFLA_VXLAN_LINK, static_cast<std::uint32_t>(options.lower));
    message.put(IFLA_VXLAN_PORT, htons(options.dstport));
    if (options.srcport_min != 0 || options.srcport_max != 0)
        message.put(IFLA_VXLAN_PORT_RANGE,
                    ifla_vxlan_port_range{htons(options.srcport_min), htons(options.srcport_max)});
    put_octet(IFLA_VXLAN_TTL, options.ttl);
    put_octet(IFLA_VXLAN_TOS, options.tos);
    put_octet(IFLA_VXLAN_DF, options.df);
    message.put(IFLA_VXLAN_LABEL, htonl(options.flowlabel));
    put_octet(IFLA_VXLAN_LEARNING, options.learning);
    put_octet(IFLA_VXLAN_PROXY, options.proxy);
    put_octet(IFLA_VXLAN_RSC, options.rsc);
    put_octet(IFLA_VXLAN_L2MISS, options.l2miss);
    put_octet(IFLA_VXLAN_L3MISS, options.l3miss);
    put_octet(IFLA_VXLAN_UDP_CSUM, options.udpcsum);
    put_octet(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, options.udp6zerocsumtx);
    put_octet(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, options.udp6zerocsumrx);
    put_octet(IFLA_VXLAN_COLLECT_METADATA, options.collect_metadata);
    message.put(IFLA_VXLAN_AGEING, options.ageing);
    message.put(IFLA_VXLAN_LIMIT, options.maxaddress);
    // These the kernel takes as set by being there, and refuses with a value.
    if (options.ttl_inherit)
        message.put_flag(IFLA_VXLAN_TTL_INHERIT);
    if (options.reserved_bits)
        message.put(vxlan_reserved_bits, htobe64(*options.reserved_bits));
    if (options.gbp)
        message.put_flag(IFLA_VXLAN_GBP);
    if (options.gpe)
        message.put_flag(IFLA_VXLAN_GPE);
}

} // namespace xvtep
