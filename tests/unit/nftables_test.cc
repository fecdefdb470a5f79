// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/nftables.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <netinet/in.h>

#include <functional>
#include <vector>

#include "user/net/netlink_message.h"

namespace xvtep {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t port = 4789;
constexpr std::uint32_t reg1 = NFT_REG_1, reg32_01 = NFT_REG32_01;

// The value as it is on the wire, without what std::uint16_t has behind it.
Bytes wire(unsigned value)
{
    return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Bytes operator+(Bytes one, const Bytes &other)
{
    one.insert(one.end(), other.begin(), other.end());
    return one;
}

Message message(int type, std::uint8_t family = NFPROTO_INET)
{
    return {static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), 0,
            nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0}};
}

void put(Message &to, int type, std::uint32_t value)
{
    to.put(type, htonl(value));
}

void put_value(Message &to, int type, const Bytes &value)
{
    const Message::Nest nest(to, type);
    to.put(NFTA_DATA_VALUE, value.data(), value.size());
}

// What a rule consists of, as nft makes it.
struct Expression {
    std::string name;
    std::function<void(Message &)> attributes;
};

Expression payload(std::uint32_t offset, std::uint32_t length, std::uint32_t to = reg1,
                   std::uint32_t base = NFT_PAYLOAD_TRANSPORT_HEADER)
{
    return {"payload", [=](Message &at) {
                put(at, NFTA_PAYLOAD_DREG, to);
                put(at, NFTA_PAYLOAD_BASE, base);
                put(at, NFTA_PAYLOAD_OFFSET, offset);
                put(at, NFTA_PAYLOAD_LEN, length);
            }};
}
const Expression sport = payload(0, 2), dport = payload(2, 2);

Expression meta(std::uint32_t key)
{
    return {"meta", [=](Message &at) {
                put(at, NFTA_META_DREG, reg1);
                put(at, NFTA_META_KEY, key);
            }};
}

Expression ct(std::uint32_t key)
{
    return {"ct", [=](Message &at) {
                put(at, NFTA_CT_DREG, reg1);
                put(at, NFTA_CT_KEY, key);
            }};
}

Expression cmp(std::uint32_t op, const Bytes &value)
{
    return {"cmp", [=](Message &at) {
                put(at, NFTA_CMP_SREG, reg1);
                put(at, NFTA_CMP_OP, op);
                put_value(at, NFTA_CMP_DATA, value);
            }};
}
Expression equals(const Bytes &value)
{
    return cmp(NFT_CMP_EQ, value);
}

Expression range(std::uint32_t op, unsigned first, unsigned last)
{
    return {"range", [=](Message &at) {
                put(at, NFTA_RANGE_SREG, reg1);
                put(at, NFTA_RANGE_OP, op);
                put_value(at, NFTA_RANGE_FROM_DATA, wire(first));
                put_value(at, NFTA_RANGE_TO_DATA, wire(last));
            }};
}

Expression lookup(const std::string &set)
{
    return {"lookup", [=](Message &at) {
                at.put(NFTA_LOOKUP_SET, set);
                put(at, NFTA_LOOKUP_SREG, reg1);
            }};
}

template <class Info>
Expression match(const std::string &name, std::uint32_t revision, const Info &info)
{
    return {"match", [=](Message &at) {
                at.put(NFTA_MATCH_NAME, name);
                put(at, NFTA_MATCH_REV, revision);
                at.put(NFTA_MATCH_INFO, info);
            }};
}

Expression match_udp(std::uint16_t first_source, std::uint16_t last_source,
                     std::uint16_t first_destination, std::uint16_t last_destination)
{
    return match("udp", 0,
                 xt_udp{.spts = {first_source, last_source},
                        .dpts = {first_destination, last_destination},
                        .invflags = 0});
}

NftRule parse(const std::vector<Expression> &expressions)
{
    Message rule = message(NFT_MSG_NEWRULE);
    rule.put(NFTA_RULE_TABLE, std::string("filter"));
    rule.put(NFTA_RULE_CHAIN, std::string("input"));
    {
        const Message::Nest list(rule, NFTA_RULE_EXPRESSIONS);
        for (const Expression &one : expressions) {
            const Message::Nest element(rule, NFTA_LIST_ELEM);
            rule.put(NFTA_EXPR_NAME, one.name);
            const Message::Nest data(rule, NFTA_EXPR_DATA);
            one.attributes(rule);
        }
    }
    EXPECT_FALSE(rule.overflown());
    return parse_nft_rule(rule.header(), port).value();
}

bool names_port(const std::vector<Expression> &expressions)
{
    return parse(expressions).names_port;
}

const Expression load_protocol = meta(NFT_META_L4PROTO);
const Bytes udp{IPPROTO_UDP}, tcp{IPPROTO_TCP};

TEST(NftRule, HasANameForMessages)
{
    EXPECT_EQ(parse({}).text(), "inet filter input");
    NftRule odd{.family = NFPROTO_NETDEV, .table = "a\033[1m", .chain = "b\n"};
    EXPECT_EQ(odd.text(), "netdev a?[1m b?");
    EXPECT_FALSE(parse_nft_rule(message(NFT_MSG_NEWTABLE).header(), port));
}

TEST(NftRule, ComparesWithThePort)
{
    EXPECT_FALSE(names_port({}));
    EXPECT_FALSE(names_port({dport}));
    EXPECT_TRUE(names_port({dport, equals(wire(port))}));
    EXPECT_TRUE(names_port({sport, equals(wire(port))}));
    EXPECT_TRUE(names_port({dport, cmp(NFT_CMP_NEQ, wire(port))}));
    EXPECT_FALSE(names_port({dport, equals(wire(port + 1))}));
    EXPECT_FALSE(names_port({dport, equals(wire(htons(port)))}));
    EXPECT_FALSE(names_port({payload(4, 2), equals(wire(port))})) << "the length";
    EXPECT_FALSE(names_port({payload(2, 2, reg1, NFT_PAYLOAD_NETWORK_HEADER), equals(wire(port))}));
}

TEST(NftRule, ComparesBothPortsAtOnce)
{
    const Expression both = payload(0, 4);
    EXPECT_TRUE(names_port({both, equals(wire(1) + wire(port))}));
    EXPECT_TRUE(names_port({both, equals(wire(port) + wire(1))}));
    EXPECT_FALSE(names_port({both, equals(wire(1) + wire(2))}));
    EXPECT_TRUE(names_port({sport, equals(wire(1)), dport, equals(wire(port))}));
}

TEST(NftRule, ComparesWithARange)
{
    const auto from_to = [](unsigned first, unsigned last) {
        return std::vector<Expression>{dport, cmp(NFT_CMP_GTE, wire(first)),
                                       cmp(NFT_CMP_LTE, wire(last))};
    };
    EXPECT_TRUE(names_port(from_to(4000, 5000)));
    EXPECT_TRUE(names_port(from_to(port, port)));
    EXPECT_FALSE(names_port(from_to(4000, port - 1)));
    EXPECT_FALSE(names_port(from_to(port + 1, 5000)));
    EXPECT_TRUE(names_port({dport, cmp(NFT_CMP_GT, wire(port - 1))}));
    EXPECT_FALSE(names_port({dport, cmp(NFT_CMP_GT, wire(port))}));
    EXPECT_TRUE(names_port({dport, cmp(NFT_CMP_LT, wire(port + 1))}));
    EXPECT_FALSE(names_port({dport, cmp(NFT_CMP_LT, wire(port))}));
    for (const std::uint32_t op : {NFT_RANGE_EQ, NFT_RANGE_NEQ}) {
        EXPECT_TRUE(names_port({dport, range(op, port, 5000)}));
        EXPECT_TRUE(names_port({dport, range(op, 4000, port)}));
        EXPECT_FALSE(names_port({dport, range(op, port + 1, 5000)}));
    }
}

TEST(NftRule, OfAnotherProtocolDoesNotCount)
{
    EXPECT_TRUE(names_port({load_protocol, equals(udp), dport, equals(wire(port))}));
    EXPECT_FALSE(names_port({load_protocol, equals(tcp), dport, equals(wire(port))}));
    const Expression network = payload(9, 1, reg1, NFT_PAYLOAD_NETWORK_HEADER);
    EXPECT_TRUE(names_port({network, equals(udp), dport, equals(wire(port))}));
    EXPECT_FALSE(names_port({network, equals(tcp), dport, equals(wire(port))}));
    EXPECT_TRUE(parse({load_protocol, equals(tcp), dport, lookup("s")}).sets.empty());
}

TEST(NftRule, ARegisterIsLoadedAnew)
{
    EXPECT_FALSE(names_port({dport, equals(wire(53)), ct(NFT_CT_MARK), equals(wire(port))}));
    EXPECT_FALSE(names_port({dport, ct(NFT_CT_MARK), equals(wire(port))}));
    EXPECT_FALSE(names_port({dport, meta(NFT_META_MARK), equals(wire(port))}));
    EXPECT_TRUE(
        names_port({dport, equals(wire(port)), ct(NFT_CT_MARK), equals(wire(53) + wire(53))}));
}

TEST(NftRule, LooksThePortUpInSets)
{
    const NftRule simple = parse({dport, lookup("__set0")});
    EXPECT_FALSE(simple.names_port);
    ASSERT_EQ(simple.sets.size(), 1U);
    EXPECT_EQ(simple.sets[0], (NftSet{NFPROTO_INET, "filter", "__set0", 0}));

    const Expression saddr = payload(12, 4, reg1, NFT_PAYLOAD_NETWORK_HEADER);
    const NftRule pair = parse({saddr, payload(2, 2, reg32_01), lookup("__set1")});
    ASSERT_EQ(pair.sets.size(), 1U);
    EXPECT_EQ(pair.sets[0].port_offset, 4U);

    EXPECT_TRUE(parse({saddr, lookup("__set2")}).sets.empty());
}

TEST(NftRule, MatchesWithAnExtensionOfIptables)
{
    EXPECT_TRUE(names_port({match_udp(0, 65535, port, port)}));
    EXPECT_TRUE(names_port({match_udp(port, port, 0, 65535)}));
    EXPECT_TRUE(names_port({match_udp(0, 65535, 4000, 5000)}));
    EXPECT_FALSE(names_port({match_udp(0, 65535, 4000, port - 1)}));
    EXPECT_FALSE(names_port({match_udp(0, 65535, 0, 65535)})) << "-p udp alone";
    EXPECT_FALSE(names_port({match("udp", 0, std::uint8_t{1})})) << "truncated";
    EXPECT_FALSE(names_port({match("limit", 0, xt_udp{{port, port}, {port, port}, 0})}));

    xt_multiport_v1 ports{.flags = XT_MULTIPORT_DESTINATION,
                          .count = 3,
                          .ports = {53, 4000, 5000},
                          .pflags = {0, 1, 0},
                          .invert = 0};
    EXPECT_TRUE(names_port({match("multiport", 1, ports)}));
    ports.pflags[1] = 0;
    EXPECT_FALSE(names_port({match("multiport", 1, ports)}));
    ports.ports[2] = port;
    EXPECT_TRUE(names_port({match("multiport", 1, ports)}));
    ports.count = 2; // the others do not count
    EXPECT_FALSE(names_port({match("multiport", 1, ports)}));
    ports.count = 255;
    EXPECT_TRUE(names_port({match("multiport", 1, ports)}));
    ports.pflags[14] = 1; // a range without an end
    EXPECT_TRUE(names_port({match("multiport", 1, ports)}));
}

TEST(NftRule, WhatIsTruncatedIsSkipped)
{
    for (const char *name : {"payload", "meta", "cmp", "range", "lookup", "match", "ct", "new"})
        EXPECT_FALSE(names_port({dport, {name, [](Message &) {}}})) << name;
    EXPECT_FALSE(names_port({dport, equals({}), equals({18})}));
    EXPECT_FALSE(names_port({payload(0xffffffff, 0xffffffff), equals(wire(port))}));
    EXPECT_FALSE(names_port({payload(2, 2, 0xffffffff), equals(wire(port))}));
}

struct Element {
    Bytes key;
    std::uint32_t flags = 0;
    Bytes last{};
};
const std::uint32_t end = NFT_SET_ELEM_INTERVAL_END;

bool holds_port(const std::vector<Element> &elements, std::size_t offset = 0)
{
    NftSetSearch search(offset, port);
    for (const Element &one : elements) { // in a message each, as at a bound of messages
        Message list = message(NFT_MSG_NEWSETELEM);
        {
            const Message::Nest all(list, NFTA_SET_ELEM_LIST_ELEMENTS);
            const Message::Nest element(list, NFTA_LIST_ELEM);
            if (!one.key.empty())
                put_value(list, NFTA_SET_ELEM_KEY, one.key);
            if (!one.last.empty())
                put_value(list, NFTA_SET_ELEM_KEY_END, one.last);
            put(list, NFTA_SET_ELEM_FLAGS, one.flags);
        }
        search.read(list.header());
    }
    return search.found();
}

TEST(NftSet, HoldsThePort)
{
    EXPECT_FALSE(holds_port({}));
    EXPECT_TRUE(holds_port({{wire(53)}, {wire(port)}}));
    EXPECT_FALSE(holds_port({{wire(53)}, {wire(port + 1)}}));
    EXPECT_FALSE(holds_port({{.key = {}, .flags = NFT_SET_ELEM_CATCHALL}})) << "no key";
}

TEST(NftSet, HoldsThePortInAnInterval)
{
    const Element zero{wire(0), end};
    EXPECT_TRUE(holds_port({zero, {wire(4000)}, {wire(5000), end}}));
    EXPECT_TRUE(holds_port({{wire(5000), end}, {wire(4000)}, zero}));
    EXPECT_FALSE(holds_port({zero, {wire(4000)}, {wire(port), end}}));
    EXPECT_TRUE(holds_port({zero, {wire(port)}, {wire(5000), end}}));
    EXPECT_TRUE(holds_port({zero, {wire(port - 1)}, {wire(port + 1), end}}));
    EXPECT_TRUE(holds_port({zero, {wire(4000)}})) << "to 65535";
    EXPECT_TRUE(holds_port({zero, {wire(1)}, {wire(4000), end}, {wire(4000)}}))
        << "one interval begins at once behind another";
    EXPECT_TRUE(holds_port({zero, {wire(1)}, {wire(4000)}, {wire(4000), end}}));
    EXPECT_FALSE(holds_port({zero, {wire(4790)}, {wire(4800), end}}));
}

TEST(NftSet, HoldsThePortBesideAnAddress)
{
    const Bytes address{192, 168, 8, 101}, pad{0, 0};
    const auto key = [&](unsigned of) { return address + wire(of) + pad; };
    EXPECT_TRUE(holds_port({{key(port)}}, 4));
    EXPECT_FALSE(holds_port({{key(port + 1)}}, 4));
    EXPECT_FALSE(holds_port({{key(port)}}, 6));
    EXPECT_FALSE(holds_port({{key(port)}}, 8)) << "behind the key";
    EXPECT_TRUE(holds_port({{key(4000), 0, key(5000)}}, 4));
    EXPECT_FALSE(holds_port({{key(4000), 0, key(port - 1)}}, 4));
    EXPECT_FALSE(holds_port({{key(4000), 0, {1}}}, 4));
}

} // namespace
} // namespace xvtep
