// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>
#include <netlink/attr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <expected>
#include <map>
#include <string_view>
#include <utility>

#include "user/base/debug_log.h"
#include "user/base/printable.h"
#include "user/base/result.h"
#include "user/net/netlink_message.h"
#include "user/net/netlink_socket.h"

namespace xvtep {

namespace {

using Octets = std::span<const std::uint8_t>;

constexpr auto patience = std::chrono::milliseconds(500);

constexpr std::uint16_t message_type(int type)
{
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

std::uint32_t number(const Attributes &attributes, int type)
{
    return ntohl(attributes.get_or<std::uint32_t>(type, 0));
}

Octets octets(const Attributes &attributes, int type)
{
    return {static_cast<const std::uint8_t *>(attributes.data(type)), attributes.size(type)};
}

// The value in an attribute of the kind of NFTA_CMP_DATA.
Octets value(const Attributes &attributes, int type)
{
    return octets(Attributes(attributes[type], NFTA_DATA_MAX), NFTA_DATA_VALUE);
}

std::uint16_t port_at(Octets data, std::size_t offset)
{
    return static_cast<std::uint16_t>(data[offset] << 8 | data[offset + 1]);
}

template <class Each> void for_each(const nlattr *list, const Each &each)
{
    if (!list)
        return;
    int left = nla_len(list);
    for (auto *at = static_cast<nlattr *>(nla_data(list)); nla_ok(at, left);
         at = nla_next(at, &left))
        each(at);
}

// Where a register begins, in octets: there are two numberings, of 16 and of 4 octets.
constexpr std::size_t register_octet(std::uint32_t number)
{
    constexpr std::size_t wide = 16, narrow = 4;
    return number < NFT_REG32_00 ? number * wide : wide + (number - NFT_REG32_00) * narrow;
}

// The expressions of one rule, in their order. A rule loads fields into registers, and compares
// these.
class RuleReader {
  public:
    explicit RuleReader(std::uint16_t port) : port_(port) {}

    void expression(const std::string &name, const nlattr *data);

    [[nodiscard]] bool is_for_udp() const { return udp_; }
    [[nodiscard]] bool names_port() const
    {
        return std::ranges::any_of(tests_, [](auto test) { return test.value_or(false); });
    }
    // Names of sets, and where the port is in their keys.
    [[nodiscard]] const std::vector<std::pair<std::string, std::size_t>> &sets() const
    {
        return sets_;
    }

  private:
    enum Field { source_port, destination_port, protocol };
    struct Loaded {
        std::size_t at; // octet of the registers
        Field field;
    };

    void load_payload(const nlattr *data);
    void load_meta(const nlattr *data);
    void load_other(const std::string &name, const nlattr *data);
    void compare(const nlattr *data);
    void compare_range(const nlattr *data);
    void look_up(const nlattr *data);
    void match(const nlattr *data);
    void match_udp(Octets info);
    void match_multiport(Octets info);

    // Fields are loaded in ascending order, so what is in a higher register is from before.
    void forget_from(std::size_t octet)
    {
        std::erase_if(loaded_, [&](const Loaded &one) { return one.at >= octet; });
    }
    void test(Field field, bool passed)
    {
        auto &all = tests_.at(field);
        all = all.value_or(true) && passed;
    }

    const std::uint16_t port_;
    std::vector<Loaded> loaded_;
    // Whether the port passes all comparisons of the field; nothing without a comparison.
    std::array<std::optional<bool>, 2> tests_{};
    bool udp_ = true;
    std::vector<std::pair<std::string, std::size_t>> sets_;
};

void RuleReader::expression(const std::string &name, const nlattr *data)
{
    if (name == "payload")
        load_payload(data);
    else if (name == "meta")
        load_meta(data);
    else if (name == "cmp")
        compare(data);
    else if (name == "range")
        compare_range(data);
    else if (name == "lookup")
        look_up(data);
    else if (name == "match")
        match(data);
    else
        load_other(name, data);
}

void RuleReader::load_payload(const nlattr *data)
{
    const Attributes payload(data, NFTA_PAYLOAD_MAX);
    if (!payload[NFTA_PAYLOAD_DREG])
        return; // it writes to the packet
    const std::size_t at = register_octet(number(payload, NFTA_PAYLOAD_DREG));
    const std::uint32_t base = number(payload, NFTA_PAYLOAD_BASE);
    const std::uint64_t from = number(payload, NFTA_PAYLOAD_OFFSET);
    const std::uint64_t end = from + number(payload, NFTA_PAYLOAD_LEN);
    constexpr std::uint64_t ipv4_protocol = 9, ipv6_next_header = 6;
    forget_from(at);
    if (base == NFT_PAYLOAD_TRANSPORT_HEADER) {
        for (const auto &[field, offset] : {std::pair(source_port, 0U), {destination_port, 2U}})
            if (from <= offset && offset + 2 <= end)
                loaded_.push_back({at + offset - from, field});
    } else if (base == NFT_PAYLOAD_NETWORK_HEADER && end - from == 1 &&
               (from == ipv4_protocol || from == ipv6_next_header)) {
        loaded_.push_back({at, protocol});
    }
}

void RuleReader::load_meta(const nlattr *data)
{
    const Attributes meta(data, NFTA_META_MAX);
    if (!meta[NFTA_META_DREG])
        return;
    const std::size_t at = register_octet(number(meta, NFTA_META_DREG));
    forget_from(at);
    if (number(meta, NFTA_META_KEY) == NFT_META_L4PROTO)
        loaded_.push_back({at, protocol});
}

void RuleReader::load_other(const std::string &name, const nlattr *data)
{
    struct Kind {
        std::string_view name;
        int destination; // the attribute
    };
    static constexpr std::array kinds = std::to_array<Kind>({
        {"bitwise", NFTA_BITWISE_DREG},
        {"byteorder", NFTA_BYTEORDER_DREG},
        {"ct", NFTA_CT_DREG},
        {"exthdr", NFTA_EXTHDR_DREG},
        {"fib", NFTA_FIB_DREG},
        {"hash", NFTA_HASH_DREG},
        {"immediate", NFTA_IMMEDIATE_DREG},
        {"numgen", NFTA_NG_DREG},
        {"osf", NFTA_OSF_DREG},
        {"rt", NFTA_RT_DREG},
        {"socket", NFTA_SOCKET_DREG},
        {"tunnel", NFTA_TUNNEL_DREG},
        {"xfrm", NFTA_XFRM_DREG},
    });
    const auto *const kind = std::ranges::find(kinds, name, &Kind::name);
    if (kind == kinds.end())
        return;
    const Attributes attributes(data, kind->destination);
    if (attributes[kind->destination])
        forget_from(register_octet(number(attributes, kind->destination)));
}

void RuleReader::compare(const nlattr *data)
{
    const Attributes comparison(data, NFTA_CMP_MAX);
    const std::size_t at = register_octet(number(comparison, NFTA_CMP_SREG));
    const std::uint32_t op = number(comparison, NFTA_CMP_OP);
    const Octets with = value(comparison, NFTA_CMP_DATA);
    const bool equality = op == NFT_CMP_EQ || op == NFT_CMP_NEQ;
    for (const Loaded &one : loaded_) {
        if (one.field == protocol) {
            if (one.at == at && op == NFT_CMP_EQ && with.size() == 1 && with[0] != IPPROTO_UDP)
                udp_ = false;
            continue;
        }
        // Two ports that were loaded together are compared together.
        if (one.at < at || one.at - at + 2 > with.size() || (!equality && with.size() != 2))
            continue;
        const std::uint16_t other = port_at(with, one.at - at);
        test(one.field, equality            ? port_ == other
                        : op == NFT_CMP_LT  ? port_ < other
                        : op == NFT_CMP_LTE ? port_ <= other
                        : op == NFT_CMP_GT  ? port_ > other
                                            : port_ >= other);
    }
}

void RuleReader::compare_range(const nlattr *data)
{
    const Attributes range(data, NFTA_RANGE_MAX);
    const std::size_t at = register_octet(number(range, NFTA_RANGE_SREG));
    const Octets first = value(range, NFTA_RANGE_FROM_DATA);
    const Octets last = value(range, NFTA_RANGE_TO_DATA);
    if (first.size() != 2 || last.size() != 2)
        return;
    for (const Loaded &one : loaded_)
        if (one.field != protocol && one.at == at)
            test(one.field, port_at(first, 0) <= port_ && port_ <= port_at(last, 0));
}

void RuleReader::look_up(const nlattr *data)
{
    const Attributes lookup(data, NFTA_LOOKUP_MAX);
    const std::size_t at = register_octet(number(lookup, NFTA_LOOKUP_SREG));
    for (const Loaded &one : loaded_)
        if (one.field != protocol && one.at >= at)
            sets_.emplace_back(lookup.string(NFTA_LOOKUP_SET), one.at - at);
    if (lookup[NFTA_LOOKUP_DREG]) // the set is a map
        forget_from(register_octet(number(lookup, NFTA_LOOKUP_DREG)));
}

// An extension of iptables (`-m udp`, `-m multiport`).
void RuleReader::match(const nlattr *data)
{
    const Attributes extension(data, NFTA_MATCH_MAX);
    const std::string name = extension.string(NFTA_MATCH_NAME);
    const std::uint32_t revision = number(extension, NFTA_MATCH_REV);
    const Octets info = octets(extension, NFTA_MATCH_INFO);
    if (name == "udp" && revision == 0)
        match_udp(info);
    else if (name == "multiport" && revision == 1)
        match_multiport(info);
}

void RuleReader::match_udp(Octets info)
{
    xt_udp udp;
    if (info.size() < sizeof(udp))
        return;
    std::memcpy(&udp, info.data(), sizeof(udp));
    const auto in = [&](const __u16(&range)[2], Field field) {
        constexpr std::uint16_t highest = 0xffff;
        if (range[0] != 0 || range[1] != highest) // else it is not given
            test(field, range[0] <= port_ && port_ <= range[1]);
    };
    in(udp.spts, source_port);
    in(udp.dpts, destination_port);
}

void RuleReader::match_multiport(Octets info)
{
    xt_multiport_v1 multiport;
    if (info.size() < sizeof(multiport))
        return;
    std::memcpy(&multiport, info.data(), sizeof(multiport));
    bool found = false;
    const auto count = std::min<std::size_t>(multiport.count, std::size(multiport.ports));
    for (std::size_t n = 0; n < count; n++) {
        const bool range = multiport.pflags[n] != 0 && n + 1 < count;
        const std::uint16_t first = multiport.ports[n];
        const std::uint16_t last = range ? multiport.ports[++n] : first;
        found = found || (first <= port_ && port_ <= last);
    }
    if (multiport.flags != XT_MULTIPORT_DESTINATION)
        test(source_port, found);
    if (multiport.flags != XT_MULTIPORT_SOURCE)
        test(destination_port, found);
}

std::string_view family_name(std::uint8_t family)
{
    switch (family) {
    case NFPROTO_INET:
        return "inet";
    case NFPROTO_IPV4:
        return "ip";
    case NFPROTO_IPV6:
        return "ip6";
    case NFPROTO_ARP:
        return "arp";
    case NFPROTO_NETDEV:
        return "netdev";
    case NFPROTO_BRIDGE:
        return "bridge";
    default:
        return "?";
    }
}

// Looks through the rules, and then through the sets that they look ports up in.
class Search {
  public:
    Search(NetlinkSocket socket, std::uint16_t port) : socket_(std::move(socket)), port_(port) {}

    std::expected<std::optional<std::string>, Refusal> run()
    {
        Message rules(message_type(NFT_MSG_GETRULE), 0, header(NFPROTO_UNSPEC));
        const auto read = socket_.peek(rules, [&](const nlmsghdr &line) { return rule(line); });
        if (!read)
            return std::unexpected(read.error());
        for (auto set = sets_.begin(); set != sets_.end() && !found_ && !late(); ++set)
            if (const auto looked = look_into(set->first, set->second); !looked)
                return std::unexpected(looked.error());
        if (!found_ && late())
            debug_log("nftables: too many rules to look through");
        return std::move(found_);
    }

  private:
    static nfgenmsg header(std::uint8_t family)
    {
        return {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
    }

    [[nodiscard]] bool late() const { return std::chrono::steady_clock::now() > end_; }

    // The socket can be used again only if all was read. So it stops only at the very end.
    bool rule(const nlmsghdr &line)
    {
        const auto rule = parse_nft_rule(line, port_);
        if (rule && rule->names_port)
            found_ = rule->text();
        else if (rule)
            for (const NftSet &set : rule->sets)
                sets_.try_emplace(set, rule->text());
        return !found_ && !late();
    }

    NetlinkSocket::Answer look_into(const NftSet &set, const std::string &rule)
    {
        Message request(message_type(NFT_MSG_GETSETELEM), 0, header(set.family));
        request.put(NFTA_SET_ELEM_LIST_TABLE, set.table);
        request.put(NFTA_SET_ELEM_LIST_SET, set.name);
        NftSetSearch search(set.port_offset, port_);
        const auto read = socket_.peek(request, [&](const nlmsghdr &line) {
            search.read(line);
            return !search.certain() && !late();
        });
        if (read && search.found())
            found_ = rule;
        // A set that is gone again is none.
        return read || read.error().code == ENOENT ? NetlinkSocket::Answer() : read;
    }

    NetlinkSocket socket_;
    const std::uint16_t port_;
    const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + patience;
    std::map<NftSet, std::string> sets_; // with a rule that uses the set
    std::optional<std::string> found_;
};

} // namespace

std::string NftRule::text() const
{
    std::string text(family_name(family));
    return printable(text.append(" ").append(table).append(" ").append(chain));
}

std::optional<NftRule> parse_nft_rule(const nlmsghdr &message, std::uint16_t port)
{
    const auto *const header = payload<nfgenmsg>(message);
    if (message.nlmsg_type != message_type(NFT_MSG_NEWRULE) || !header)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), NFTA_RULE_MAX);
    NftRule rule;
    rule.family = header->nfgen_family;
    rule.table = attributes.string(NFTA_RULE_TABLE);
    rule.chain = attributes.string(NFTA_RULE_CHAIN);
    RuleReader reader(port);
    for_each(attributes[NFTA_RULE_EXPRESSIONS], [&](const nlattr *one) {
        const Attributes expression(one, NFTA_EXPR_MAX);
        reader.expression(expression.string(NFTA_EXPR_NAME), expression[NFTA_EXPR_DATA]);
    });
    if (!reader.is_for_udp())
        return rule;
    rule.names_port = reader.names_port();
    for (const auto &[name, offset] : reader.sets())
        rule.sets.push_back({rule.family, rule.table, name, offset});
    return rule;
}

NftSetSearch::NftSetSearch(std::size_t port_offset, std::uint16_t port)
    : port_offset_(port_offset), port_(port)
{
}

void NftSetSearch::read(const nlmsghdr &message)
{
    if (message.nlmsg_type != message_type(NFT_MSG_NEWSETELEM))
        return;
    const Attributes list(message, sizeof(nfgenmsg), NFTA_SET_ELEM_LIST_MAX);
    for_each(list[NFTA_SET_ELEM_LIST_ELEMENTS], [&](const nlattr *one) {
        const Attributes attributes(one, NFTA_SET_ELEM_MAX);
        const Octets key = value(attributes, NFTA_SET_ELEM_KEY);
        const Octets last = value(attributes, NFTA_SET_ELEM_KEY_END);
        element(key, last.empty() ? key : last,
                (number(attributes, NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0);
    });
}

void NftSetSearch::element(Octets key, Octets last, bool ends_interval)
{
    if (port_offset_ + 2 > std::min(key.size(), last.size()))
        return;
    const std::uint16_t from = port_at(key, port_offset_);
    intervals_ = intervals_ || ends_interval;
    if (!ends_interval && from <= port_ && port_ <= port_at(last, port_offset_))
        certain_ = true;
    // Where one interval begins at once behind another, the beginning counts.
    if (from <= port_ && (!nearest_ || *nearest_ < from || (*nearest_ == from && !ends_interval))) {
        nearest_ = from;
        nearest_ends_ = ends_interval;
    }
}

bool NftSetSearch::found() const
{
    return certain_ || (intervals_ && nearest_ && !nearest_ends_);
}

std::optional<std::string> find_rule_for_udp_port(std::uint16_t port)
{
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
    if (!socket) {
        debug_log(socket.error().message());
        return std::nullopt;
    }
    auto found = Search(std::move(*socket), port).run();
    if (!found) {
        debug_log(errno_failure("list", "rules of nftables", found.error().code).error().message());
        return std::nullopt;
    }
    return std::move(*found);
}

} // namespace xvtep
