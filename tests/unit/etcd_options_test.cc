// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(EtcdUrl, ServersAndPrefix)
{
    const auto one = parse_etcd_url("http://10.0.0.1:2379");
    ASSERT_TRUE(one) << one.error().message();
    EXPECT_THAT(one->endpoints, ElementsAre("http://10.0.0.1:2379"));
    EXPECT_EQ(one->prefix, "/xvtep/v1");

    const auto three = parse_etcd_url("http://a:2379,https://b.example,http://[fd00::1]:99/net/x/");
    ASSERT_TRUE(three) << three.error().message();
    EXPECT_THAT(three->endpoints,
                ElementsAre("http://a:2379", "https://b.example:2379", "http://[fd00::1]:99"));
    EXPECT_EQ(three->prefix, "/net/x");

    EXPECT_EQ(parse_etcd_url("http://a/")->prefix, "/xvtep/v1");
    EXPECT_EQ(parse_etcd_url("http://a/p,http://b/p")->prefix, "/p");
}

TEST(EtcdUrl, Refusals)
{
    for (const char *text : {"", "a:2379", "ftp://a", "http://", "http://a,", ",http://a",
                             "http://a?x=1", "http://a/p#f", "http://a/%41", "http://a:99999",
                             "http://a/p,http://b/q", "http://a b"}) {
        const auto parsed = parse_etcd_url(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().fault, Fault::usage) << text;
    }
}

TEST(EtcdUrl, CredentialsAreNotRepeated)
{
    for (const char *text : {"http://root:secret@a:2379", "ftp://root:secret@a", "http://secret@a",
                             "http://root:secret@:1"}) {
        const auto parsed = parse_etcd_url(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error().message(), Not(HasSubstr("secret"))) << text;
    }
}

} // namespace
} // namespace xvtep::agent
