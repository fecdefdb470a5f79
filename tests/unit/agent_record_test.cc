// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/record.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

const Key of_mac{42, *Mac::parse("02:00:00:00:00:01")};
const Key of_ip{42, *Ip::parse("10.20.1.3")};

TEST(Record, TakesWhatTheKeySaysFromTheKey)
{
    const auto short_one = parse_record(of_mac, R"({"vtep":"192.168.8.101"})");
    ASSERT_TRUE(short_one);
    EXPECT_EQ(short_one->vni, 42U);
    EXPECT_EQ(short_one->mac, std::get<Mac>(of_mac.what));
    EXPECT_FALSE(short_one->ip);
    EXPECT_EQ(short_one->port, 0);
    const auto by_ip = parse_record(
        of_ip, R"( {"mac":"2:0:0:0:0:1","vtep":"fd00::1","port":8472,"more":[1,{"a":null}]} )");
    ASSERT_TRUE(by_ip);
    EXPECT_EQ(by_ip->ip, std::get<Ip>(of_ip.what));
    EXPECT_EQ(by_ip->port, 8472);
}

TEST(Record, RoundTrips)
{
    for (const char *vtep : {"192.168.8.101", "fd00::1"})
        for (const bool has_ip : {false, true})
            for (const int port : {0, 4789, 65535}) {
                Record record{42, std::get<Mac>(of_mac.what), std::nullopt, *Ip::parse(vtep),
                              static_cast<std::uint16_t>(port)};
                if (has_ip)
                    record.ip = std::get<Ip>(of_ip.what);
                const auto back = parse_record(of_mac, to_json(record));
                ASSERT_TRUE(back) << to_json(record);
                EXPECT_EQ(*back, record);
            }
}

TEST(Record, RefusesWhatIsWrongOrLies)
{
    const std::string many(5000, ' '), deep(2000, '[');
    for (const std::string &text :
         {std::string(),
          std::string("null"),
          std::string("[]"),
          std::string("3"),
          std::string("{"),
          std::string("{}"),
          std::string("{\"vtep\":\"192.168.8.101\"} x"),
          std::string("{\"vtep\":\"192.168.8.101\"}") + many,
          std::string(R"({"vtep":"192.168.8.101","vni":43})"),
          std::string(R"({"vtep":"192.168.8.101","vni":-42})"),
          std::string(R"({"vtep":"192.168.8.101","vni":42.0})"),
          std::string(R"({"vtep":"192.168.8.101","vni":"42"})"),
          std::string(R"({"vtep":"192.168.8.101","vni":4294967338})"),
          std::string(R"({"vtep":"192.168.8.101","port":65536})"),
          std::string(R"({"vtep":"192.168.8.101","port":null})"),
          std::string(R"({"vtep":"192.168.8.101","mac":"02:00:00:00:00:02"})"),
          std::string(R"({"vtep":"192.168.8.101","mac":""})"),
          std::string(R"({"vtep":"192.168.8.101","mac":7})"),
          std::string(R"({"vtep":"192.168.8.101","ip":"10.20.1"})"),
          std::string(R"({"vtep":"192.168.8.101","ip":"0.0.0.0"})"),
          std::string(R"({"vtep":"192.168.8.101","ip":"224.0.0.1"})"),
          std::string(R"({"vtep":"0.0.0.0"})"),
          std::string(R"({"vtep":"::"})"),
          std::string(R"({"vtep":"127.0.0.1"})"),
          std::string(R"({"vtep":"::1"})"),
          std::string(R"({"vtep":"239.1.1.1"})"),
          std::string(R"({"vtep":"ff02::1"})"),
          std::string(R"({"vtep":"255.255.255.255"})"),
          std::string(R"({"vtep":"192.168.8.101/24"})"),
          std::string(R"({"vtep":"localhost"})"),
          std::string("{\"vtep\":\"192.168.8.101\\u0000\"}"),
          std::string("{\"vtep\":") + deep,
          std::string("{\"vtep\":") + deep + std::string(2000, ']') + "}",
          std::string("{\"vtep\":\"\xff\xfe\"}")}) {
        const auto parsed = parse_record(of_mac, text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, EBADMSG) << text;
        EXPECT_LT(parsed.error().message().size(), 250U) << text;
        EXPECT_EQ(parsed.error().message().find('\n'), std::string::npos);
    }
    for (const char *text :
         {R"({"vtep":"192.168.8.101"})", R"({"vtep":"192.168.8.101","mac":"01:00:00:00:00:01"})",
          R"({"vtep":"192.168.8.101","mac":"00:00:00:00:00:00"})",
          R"({"vtep":"192.168.8.101","mac":"ff:ff:ff:ff:ff:ff"})",
          R"({"vtep":"192.168.8.101","mac":"2:0:0:0:0:1","ip":"10.20.1.4"})"})
        EXPECT_FALSE(parse_record(of_ip, text)) << text;
}

TEST(Record, KeysNameThemselves)
{
    EXPECT_EQ(of_mac.text(), "vni 42 mac 02:00:00:00:00:01");
    EXPECT_EQ(of_ip.text(), "vni 42 ip 10.20.1.3");
    EXPECT_LT(of_mac, of_ip) << "MACs before IPs of a VNI";
    EXPECT_LT(of_ip, (Key{43, Mac{}}));
}

} // namespace
} // namespace xvtep::agent
