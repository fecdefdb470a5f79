// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/options.h"

#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/scratch.h"

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
        EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << text;
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

TEST(EtcdPassword, IsTheFirstLineOrWhyNot)
{
    const test::Scratch scratch;
    const auto path = scratch.file("password");
    const auto cause = [&] {
        const auto read = read_password(path);
        return read ? "read: " + *read : read.error().cause;
    };
    EXPECT_EQ(cause(), "no such file or directory");
    for (const auto &[text, said] :
         {std::pair("", "its first line is empty"), std::pair("\nx", "its first line is empty"),
          std::pair("word", "read: word"), std::pair("two words \nmore", "read: two words ")}) {
        std::ofstream(path) << text;
        EXPECT_EQ(cause(), said) << text;
    }
    std::ofstream(path) << std::string(100000, 'x');
    EXPECT_EQ(cause(), "too long for a password");
    EXPECT_EQ(read_password("/").error().cause, "is a directory");
    EXPECT_EQ(read_password("/dev/zero").error().cause, "too long for a password");
}

TEST(EtcdPassword, WarnsOfReadersAndOfClearText)
{
    const test::Scratch scratch;
    const auto path = scratch.file("password");
    std::ofstream(path) << "word";
    const auto warnings = [&](const char *servers, mode_t mode) {
        ::chmod(path.c_str(), mode);
        return password_warnings(*parse_etcd_url(servers), path);
    };
    EXPECT_THAT(warnings("https://a,https://10.0.0.1", 0640), ElementsAre());
    EXPECT_THAT(warnings("https://a", 0644), ElementsAre(HasSubstr("every user")));
    EXPECT_THAT(warnings("http://localhost,http://127.0.0.1,http://[::1]", 0600), ElementsAre());
    EXPECT_THAT(warnings("http://10.0.0.1:99,https://b", 0600),
                ElementsAre(HasSubstr("http://10.0.0.1:99: the password crosses")));
    EXPECT_THAT(warnings("http://127.0.0.1.example", 0600), ElementsAre(HasSubstr("in clear")));
}

} // namespace
} // namespace xvtep::agent
