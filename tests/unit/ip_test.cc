// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/ip.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace xvtep {
namespace {

TEST(Ip, HoldsIpv4Mapped)
{
    const auto ip = Ip::parse("192.0.2.7");
    ASSERT_TRUE(ip);
    EXPECT_EQ(ip->octets, (std::array<std::uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
                                                        192, 0, 2, 7}));
    EXPECT_TRUE(ip->is_v4());
    EXPECT_EQ(ip->family(), AF_INET);
    EXPECT_EQ(ip->size(), 4U);
    EXPECT_EQ(ip->bytes()[0], 192);
    EXPECT_EQ(ip->bytes()[3], 7);
    EXPECT_EQ(ip->text(), "192.0.2.7");
    EXPECT_EQ(Ip::v4(htonl(0xc0000207)), *ip);
    EXPECT_EQ(Ip::from_bytes(ip->bytes(), 4), *ip);
    EXPECT_EQ(Ip::from_bytes(ip->octets.data(), 16), *ip);
}

TEST(Ip, HoldsIpv6)
{
    const auto ip = Ip::parse("2001:DB8:0::7");
    ASSERT_TRUE(ip);
    EXPECT_TRUE(ip->is_v6());
    EXPECT_EQ(ip->family(), AF_INET6);
    EXPECT_EQ(ip->size(), 16U);
    EXPECT_EQ(ip->bytes()[0], 0x20);
    EXPECT_EQ(ip->text(), "2001:db8::7");
    EXPECT_EQ(Ip::from_bytes(ip->bytes(), 16), *ip);
}

TEST(Ip, RefusesAnythingElse)
{
    for (const char *text :
         {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4/24",
          "::ffff:1.2.3.4", "::ffff:102:304", "fe80::1%eth0", "2001:db8", "1::2::3", "host",
          "0x7f000001", "2001:db8:0000:0000:0000:0000:0000:00000000000007"})
        EXPECT_FALSE(Ip::parse(text)) << text;
    EXPECT_FALSE(Ip::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(Ip, TellsKinds)
{
    EXPECT_TRUE(Ip{}.is_any());
    EXPECT_TRUE(Ip{}.is_v6());
    EXPECT_TRUE(Ip::parse("0.0.0.0")->is_any());
    EXPECT_FALSE(Ip::parse("0.0.0.1")->is_any());
    EXPECT_FALSE(Ip::parse("::1")->is_any());

    EXPECT_TRUE(Ip::parse("224.0.0.1")->is_multicast());
    EXPECT_TRUE(Ip::parse("239.255.255.255")->is_multicast());
    EXPECT_FALSE(Ip::parse("223.255.255.255")->is_multicast());
    EXPECT_FALSE(Ip::parse("255.255.255.255")->is_multicast());
    EXPECT_TRUE(Ip::parse("ff05::100")->is_multicast());
    EXPECT_FALSE(Ip::parse("fe80::1")->is_multicast());

    EXPECT_TRUE(Ip::parse("127.9.9.9")->is_loopback());
    EXPECT_FALSE(Ip::parse("128.0.0.1")->is_loopback());
    EXPECT_TRUE(Ip::parse("::1")->is_loopback());
    EXPECT_FALSE(Ip::parse("::2")->is_loopback());
    EXPECT_FALSE(Ip::parse("1::1")->is_loopback());

    EXPECT_TRUE(Ip::parse("fe80::1")->is_link_local());
    EXPECT_TRUE(Ip::parse("febf::1")->is_link_local());
    EXPECT_FALSE(Ip::parse("fec0::1")->is_link_local());
    EXPECT_FALSE(Ip::parse("169.254.0.1")->is_link_local());
}

TEST(Prefix, Parses)
{
    EXPECT_EQ(Prefix::parse("10.1.5.1/24"), (Prefix{*Ip::parse("10.1.5.1"), 24}));
    EXPECT_EQ(Prefix::parse("10.1.5.1"), (Prefix{*Ip::parse("10.1.5.1"), 32}));
    EXPECT_EQ(Prefix::parse("0.0.0.0/0"), (Prefix{*Ip::parse("0.0.0.0"), 0}));
    EXPECT_EQ(Prefix::parse("fd00::1/64"), (Prefix{*Ip::parse("fd00::1"), 64}));
    EXPECT_EQ(Prefix::parse("fd00::1"), (Prefix{*Ip::parse("fd00::1"), 128}));
    EXPECT_EQ(Prefix::parse("10.1.5.1/24")->text(), "10.1.5.1/24");
    EXPECT_EQ(Prefix::parse("fd00::1")->text(), "fd00::1/128");
}

TEST(Prefix, RefusesAnythingElse)
{
    for (const char *text :
         {"", "/", "/24", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
          "10.0.0.0/8/8", "10.0.0.0/8 ", "10.0.0.0/ 8", "10.0.0.0/255.0.0.0", "fd00::/129",
          "fd00::/x", "10.0.0.0/4294967304", "::ffff:10.0.0.0/104"})
        EXPECT_FALSE(Prefix::parse(text)) << text;
}

} // namespace
} // namespace xvtep
