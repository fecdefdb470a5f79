// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/mac.h"

#include <gtest/gtest.h>

namespace xvtep {
namespace {

TEST(Mac, ParsesSixOctets)
{
    const auto mac = Mac::parse("00:1b:2C:d4:E5:ff");
    ASSERT_TRUE(mac);
    EXPECT_EQ(mac->octets, (std::array<std::uint8_t, 6>{0x00, 0x1b, 0x2c, 0xd4, 0xe5, 0xff}));
    EXPECT_EQ(mac->text(), "00:1b:2c:d4:e5:ff");
}

TEST(Mac, ParsesSingleDigits)
{
    const auto mac = Mac::parse("2:0:0:a:b:1");
    ASSERT_TRUE(mac);
    EXPECT_EQ(mac->text(), "02:00:00:0a:0b:01");
}

TEST(Mac, RefusesAnythingElse)
{
    for (const char *text :
         {"", ":", "00:11:22:33:44", "00:11:22:33:44:55:66", "00:11:22:33:44:55:",
          ":00:11:22:33:44:55", "00:11:22:33:44:555", "00:11::33:44:55", "00:11:22:33:44:5g",
          "00-11-22-33-44-55", "001122334455", " 00:11:22:33:44:55", "00:11:22:33:44:55 ",
          "+1:11:22:33:44:55", "-1:11:22:33:44:55", "0x:11:22:33:44:55", "00:11:22:33:44: 5"})
        EXPECT_FALSE(Mac::parse(text)) << text;
    EXPECT_FALSE(Mac::parse(std::string_view("00:11:22:33:44:5\0", 17)));
}

TEST(Mac, ReadsNoFurtherThanItsText)
{
    const std::string_view text("00:11:22:33:44:556");
    const auto mac = Mac::parse(text.substr(0, 17));
    ASSERT_TRUE(mac);
    EXPECT_EQ(mac->octets[5], 0x55);
}

TEST(Mac, TellsKinds)
{
    EXPECT_TRUE(Mac{}.is_zero());
    EXPECT_FALSE(Mac{}.is_multicast());
    EXPECT_FALSE(Mac::parse("00:00:00:00:00:01")->is_zero());
    EXPECT_FALSE(Mac::parse("02:00:00:00:00:01")->is_multicast());
    EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->is_multicast());
    EXPECT_TRUE(Mac::parse("ff:ff:ff:ff:ff:ff")->is_multicast());
}

TEST(Mac, Orders)
{
    EXPECT_LT(*Mac::parse("00:00:00:00:00:ff"), *Mac::parse("00:00:00:00:01:00"));
    EXPECT_EQ(*Mac::parse("0:0:0:0:0:1"), *Mac::parse("00:00:00:00:00:01"));
}

} // namespace
} // namespace xvtep
