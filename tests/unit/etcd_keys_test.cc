// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "user/agent/etcd/base64.h"

namespace xvtep::agent {
namespace {

TEST(Base64, Rfc4648)
{
    const std::pair<const char *, const char *> cases[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (const auto &[bytes, text] : cases) {
        EXPECT_EQ(base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
    std::string all;
    for (int i = 0; i < 256; i++)
        all += static_cast<char>(i);
    EXPECT_EQ(from_base64(base64(all)), all);
    for (const char *text :
         {"Z", "Zg=", "Zg", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm9-", "Zm=v"})
        EXPECT_FALSE(from_base64(text)) << text;
}

TEST(EtcdKeys, ThereAndBack)
{
    const Key mac{42, *Mac::parse("02:00:00:00:00:0a")}, v4{0, *Ip::parse("10.1.2.3")},
        v6{0xffffff, *Ip::parse("fd00::1")};
    EXPECT_EQ(etcd_key("/p", mac), "/p/42/mac/02:00:00:00:00:0a");
    EXPECT_EQ(etcd_key("/p", v4), "/p/0/ip/10.1.2.3");
    EXPECT_EQ(etcd_key("/p", v6), "/p/16777215/ip/fd00::1");
    for (const Key &key : {mac, v4, v6})
        EXPECT_EQ(parse_etcd_key("/p", etcd_key("/p", key)), key);
    EXPECT_EQ(etcd_range_end(etcd_vni_prefix("/p", 4)), "/p/40");
    EXPECT_EQ(etcd_range_end("a\xff"), "b");
}

TEST(EtcdKeys, OthersAreNoKeys)
{
    for (const char *text :
         {"", "/p", "/p/", "/p/42", "/p/42/mac", "/p/42/mac/", "/p/42/mac/2:0:0:0:0:a",
          "/q/42/ip/1.2.3.4", "/p/042/ip/1.2.3.4", "/p/16777216/ip/1.2.3.4", "/p/-1/ip/1.2.3.4",
          "/p/42/ip/1.2.3.4/", "/p/42/ip/FD00::1", "/p/42/ip/1.2.3", "/p/42/host/a",
          "/p42/ip/1.2.3.4", "/p/99999999999999999999/ip/1.2.3.4"})
        EXPECT_FALSE(parse_etcd_key("/p", text)) << text;
}

TEST(EtcdKeys, NumbersOfTheGateway)
{
    const Json json = Json::parse(R"({"text":"18446744073709551615","number":7,"bad":"7x",)"
                                  R"("list":[1],"minus":-1,"yes":true})");
    EXPECT_EQ(etcd_number(json, "text"), 18446744073709551615U);
    EXPECT_EQ(etcd_number(json, "number"), 7U);
    for (const char *name : {"bad", "list", "minus", "yes", "absent"})
        EXPECT_EQ(etcd_number(json, name), 0U) << name;
    EXPECT_EQ(etcd_number(Json::parse("3"), "text"), 0U);
}

TEST(EtcdKeys, Values)
{
    const Key key{42, *Mac::parse("02:00:00:00:00:0a")};
    const Record record{42, *Mac::parse("02:00:00:00:00:0a"), {}, *Ip::parse("192.0.2.1"), 0};
    const auto pair = [](const std::string &value) {
        return fmt::format(R"({{"value":{}}})", value);
    };
    EXPECT_EQ(*etcd_record(key, Json::parse(pair(json_string(base64(to_json(record)))))), record);
    for (const std::string &kv :
         {std::string("{}"), pair("3"), pair(R"("?")"), std::string("null"),
          pair(json_string(base64("[]"))), pair(json_string(std::string(8000, 'A')))})
        EXPECT_FALSE(etcd_record(key, Json::parse(kv))) << kv.substr(0, 40);
}

} // namespace
} // namespace xvtep::agent
