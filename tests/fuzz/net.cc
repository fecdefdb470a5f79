// SPDX-License-Identifier: GPL-2.0-only
// Netlink answers: recv() of the sockets gives the input, whose messages seem to answer the last
// request (the linker puts the functions below in place of libc's).
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>

#include "tests/fuzz/target.h"
#include "user/net/netlink.h"
#include "user/net/netlink_message.h"
#include "user/net/nftables.h"
#include "user/net/xfrm.h"

namespace {

thread_local bool fakes = false; // whether sockets are the fuzzer's
thread_local std::string answer;
thread_local std::uint32_t sequence = 0;

} // namespace

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the linker's names
extern "C" ssize_t __real_send(int fd, const void *data, std::size_t size, int flags);
extern "C" ssize_t __real_recv(int fd, void *data, std::size_t size, int flags);

extern "C" ssize_t __wrap_send(int fd, const void *data, std::size_t size, int flags)
{
    if (!fakes)
        return __real_send(fd, data, size, flags);
    nlmsghdr header{};
    std::memcpy(&header, data, std::min(size, sizeof(header)));
    sequence = header.nlmsg_seq;
    return static_cast<ssize_t>(size);
}

// The input once, and then the end of a table.
extern "C" ssize_t __wrap_recv(int fd, void *data, std::size_t size, int flags)
{
    if (!fakes)
        return __real_recv(fd, data, size, flags);
    if (answer.empty()) {
        struct {
            nlmsghdr header{sizeof(nlmsghdr) + sizeof(int), NLMSG_DONE, 0, 0, 0};
            int error = 0;
        } done;
        done.header.nlmsg_seq = sequence;
        std::memcpy(data, &done, sizeof(done));
        return sizeof(done);
    }
    const std::size_t length = std::min(size, answer.size());
    auto *const bytes = static_cast<char *>(data);
    std::memcpy(bytes, answer.data(), length);
    answer.clear();
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= length;) {
        nlmsghdr header{};
        std::memcpy(&header, bytes + at, sizeof(header));
        header.nlmsg_seq = sequence;
        std::memcpy(bytes + at, &header, sizeof(header));
        at += std::max<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), sizeof(header));
    }
    return static_cast<ssize_t>(length);
}
// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)

namespace xvtep::fuzz {
namespace {

void answer_with(char which, Netlink &netlink)
{
    const Ip address = *Ip::parse("192.0.2.1");
    switch (which) {
    case 'l':
        (void)netlink.links();
        break;
    case 'L':
        (void)netlink.link("vxlan0");
        break;
    case 'a':
        (void)netlink.addresses();
        (void)netlink.addresses(1);
        break;
    case 'f':
        (void)netlink.fdb(3);
        break;
    case 'F':
        (void)some_kernel_fdbs(10);
        break;
    case 'b':
        (void)netlink.bridge_fdb();
        break;
    case 'n':
        (void)netlink.neighbours();
        break;
    case 'r':
        (void)netlink.route_to(address);
        break;
    case 'R':
        (void)netlink.has_source_rules();
        break;
    case 'q':
        (void)netlink.clsact_qdiscs();
        break;
    case 'Q':
        (void)netlink.block_filter_name(1, 1, 1);
        break;
    case 'x':
        (void)has_ipsec_policies();
        break;
    case 't':
        (void)find_rule_for_udp_port(4789);
        break;
    case 'v':
        (void)netlink.has_vxlan({});
        break;
    default:
        (void)netlink.change_link(1, {});
    }
}

// The first letter says which answer the rest is.
void run_netlink(std::string_view input)
{
    if (input.empty())
        return;
    static auto netlink = Netlink::open();
    check(netlink.has_value(), "a netlink socket can be opened");
    fakes = true;
    answer = input.substr(1);
    answer_with(input.front(), *netlink);
    fakes = false;
}

template <class T> std::string bytes_of(Message &message, T &&more)
{
    more(message);
    const nlmsghdr &header = message.header();
    return {reinterpret_cast<const char *>(&header), header.nlmsg_len};
}

std::string link_seed()
{
    ifinfomsg header{};
    header.ifi_index = 3;
    header.ifi_flags = 1;
    Message message(RTM_NEWLINK, 0, header);
    return bytes_of(message, [](Message &m) {
        m.put(IFLA_IFNAME, std::string("vxlan0"));
        m.put(IFLA_ADDRESS, *Mac::parse("02:00:00:00:00:01"));
        m.put(IFLA_MTU, std::uint32_t{1450});
        m.put(IFLA_MASTER, std::uint32_t{2});
        m.put(IFLA_LINK_NETNSID, std::uint32_t{0});
        {
            const Message::Nest xdp(m, IFLA_XDP);
            m.put(IFLA_XDP_ATTACHED, std::uint8_t{1});
            m.put(IFLA_XDP_PROG_ID, std::uint32_t{7});
        }
        const Message::Nest info(m, IFLA_LINKINFO);
        m.put(IFLA_INFO_KIND, std::string("vxlan"));
        const Message::Nest data(m, IFLA_INFO_DATA);
        m.put(IFLA_VXLAN_ID, std::uint32_t{42});
        m.put(IFLA_VXLAN_LOCAL, *Ip::parse("192.0.2.2"));
        m.put(IFLA_VXLAN_PORT, htons(4789));
        m.put(IFLA_VXLAN_AGEING, std::uint32_t{300});
    });
}

std::string neighbour_seed(int family)
{
    ndmsg header{};
    header.ndm_family = static_cast<std::uint8_t>(family);
    header.ndm_ifindex = 3;
    header.ndm_state = NUD_PERMANENT;
    Message message(RTM_NEWNEIGH, 0, header);
    return bytes_of(message, [](Message &m) {
        m.put(NDA_LLADDR, *Mac::parse("02:00:00:00:00:01"));
        m.put(NDA_DST, *Ip::parse("192.0.2.2"));
        m.put(NDA_PORT, htons(4789));
        m.put(NDA_VNI, std::uint32_t{42});
        m.put(NDA_IFINDEX, std::uint32_t{2});
        m.put(NDA_SRC_VNI, std::uint32_t{42});
        m.put(NDA_MASTER, std::uint32_t{5});
    });
}

std::string address_seed()
{
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 24;
    header.ifa_index = 2;
    Message message(RTM_NEWADDR, 0, header);
    return bytes_of(message, [](Message &m) {
        m.put(IFA_LOCAL, *Ip::parse("192.0.2.2"));
        m.put(IFA_ADDRESS, *Ip::parse("192.0.2.2"));
    });
}

std::string route_seed(int type)
{
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_dst_len = 32;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_type = RTN_UNICAST;
    Message message(static_cast<std::uint16_t>(type), 0, header);
    return bytes_of(message, [](Message &m) {
        m.put(RTA_DST, *Ip::parse("192.0.2.1"));
        m.put(RTA_OIF, std::uint32_t{2});
        m.put(RTA_GATEWAY, *Ip::parse("192.0.2.254"));
        m.put(RTA_PREFSRC, *Ip::parse("192.0.2.2"));
    });
}

std::string qdisc_seed(int type)
{
    tcmsg header{};
    header.tcm_ifindex = 3;
    header.tcm_handle = 0xffff0000;
    header.tcm_parent = 0xfffffff1;
    Message message(static_cast<std::uint16_t>(type), 0, header);
    return bytes_of(message, [](Message &m) {
        m.put(TCA_KIND, std::string("clsact"));
        m.put(TCA_INGRESS_BLOCK, std::uint32_t{1});
        m.put(TCA_EGRESS_BLOCK, std::uint32_t{2});
        const Message::Nest options(m, TCA_OPTIONS);
        m.put(6, std::string("xvtep")); // TCA_BPF_NAME
        m.put(7, std::uint32_t{1});     // TCA_BPF_FLAGS
    });
}

// A rule that compares the UDP port, as nft makes it.
std::string rule_seed()
{
    Message message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, 0,
                    nfgenmsg{.nfgen_family = 1, .version = 0, .res_id = 0});
    return bytes_of(message, [](Message &m) {
        m.put(NFTA_RULE_TABLE, std::string("filter"));
        m.put(NFTA_RULE_CHAIN, std::string("input"));
        const Message::Nest list(m, NFTA_RULE_EXPRESSIONS);
        const auto expression = [&](const char *name, const std::function<void()> &put) {
            const Message::Nest element(m, NFTA_LIST_ELEM);
            m.put(NFTA_EXPR_NAME, std::string(name));
            const Message::Nest data(m, NFTA_EXPR_DATA);
            put();
        };
        expression("payload", [&] {
            m.put(NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
            m.put(NFTA_PAYLOAD_BASE, htonl(NFT_PAYLOAD_TRANSPORT_HEADER));
            m.put(NFTA_PAYLOAD_OFFSET, htonl(2));
            m.put(NFTA_PAYLOAD_LEN, htonl(2));
        });
        expression("cmp", [&] {
            m.put(NFTA_CMP_SREG, htonl(NFT_REG_1));
            m.put(NFTA_CMP_OP, htonl(NFT_CMP_EQ));
            const Message::Nest value(m, NFTA_CMP_DATA);
            m.put(NFTA_DATA_VALUE, htons(4789));
        });
        expression("lookup", [&] {
            m.put(NFTA_LOOKUP_SREG, htonl(NFT_REG_1));
            m.put(NFTA_LOOKUP_SET, std::string("ports"));
        });
    });
}

std::string set_seed()
{
    Message message(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, 0,
                    nfgenmsg{.nfgen_family = 1, .version = 0, .res_id = 0});
    return bytes_of(message, [](Message &m) {
        m.put(NFTA_SET_ELEM_LIST_TABLE, std::string("filter"));
        m.put(NFTA_SET_ELEM_LIST_SET, std::string("ports"));
        const Message::Nest list(m, NFTA_SET_ELEM_LIST_ELEMENTS);
        for (const std::uint32_t flags : {0U, 1U}) {
            const Message::Nest element(m, NFTA_LIST_ELEM);
            m.put(NFTA_SET_ELEM_FLAGS, htonl(flags));
            const Message::Nest key(m, NFTA_SET_ELEM_KEY);
            m.put(NFTA_DATA_VALUE, htons(4789));
        }
    });
}

std::vector<std::string> netlink_seeds()
{
    return {"l" + link_seed() + link_seed(),
            "L" + link_seed(),
            "v" + link_seed(),
            "a" + address_seed(),
            "f" + neighbour_seed(AF_BRIDGE),
            "F" + neighbour_seed(AF_BRIDGE),
            "b" + neighbour_seed(AF_BRIDGE),
            "n" + neighbour_seed(AF_INET),
            "r" + route_seed(RTM_NEWROUTE),
            "R" + route_seed(RTM_NEWRULE),
            "q" + qdisc_seed(RTM_NEWQDISC),
            "Q" + qdisc_seed(RTM_NEWTFILTER),
            "t" + rule_seed() + set_seed(),
            "x" + address_seed(),
            "c"};
}

void run_nftables(std::string_view input)
{
    // Aligned, and not longer than the message says, as NetlinkSocket hands it out.
    nlmsghdr header{};
    if (input.size() < sizeof(header))
        return;
    std::memcpy(&header, input.data(), sizeof(header));
    header.nlmsg_len = static_cast<std::uint32_t>(input.size());
    std::vector<char> copy(input.begin(), input.end());
    std::memcpy(copy.data(), &header, sizeof(header));
    const auto &message = *reinterpret_cast<const nlmsghdr *>(copy.data());
    if (const auto rule = parse_nft_rule(message, 4789))
        (void)rule->text();
    for (const std::size_t offset : {0U, 4U, 60U}) {
        NftSetSearch search(offset, 4789);
        search.read(message);
        (void)search.found();
    }
}

} // namespace

std::vector<Target> net_targets()
{
    return {{"netlink", run_netlink, netlink_seeds},
            {"nftables", run_nftables, [] {
                 return std::vector{rule_seed(), set_seed()};
             }}};
}

} // namespace xvtep::fuzz
