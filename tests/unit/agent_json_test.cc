// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/json.h"

#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

TEST(AgentJson, ReadsEveryTypeAsItsOwnAlone)
{
    const Json json = Json::parse(
        R"({"text":"a","number":18446744073709551615,"minus":-1,"part":1.5,"yes":true,"no":false,
            "nothing":null,"list":[1,"b"],"object":{"inner":"c"}})");
    ASSERT_TRUE(json.is_object());
    EXPECT_EQ(json.member("text").text(), "a");
    EXPECT_EQ(json.member("number").number(), 18446744073709551615U);
    for (const char *name : {"text", "minus", "part", "yes", "nothing", "list", "object", "absent"})
        EXPECT_FALSE(json.member(name).number()) << name;
    for (const char *name : {"number", "yes", "nothing", "list", "object", "absent"})
        EXPECT_EQ(json.member(name).text(), "") << name;
    EXPECT_TRUE(json.member("yes").is_true());
    for (const char *name : {"no", "text", "number", "absent"})
        EXPECT_FALSE(json.member(name).is_true()) << name;
    EXPECT_TRUE(json.member("nothing").is_null());
    EXPECT_TRUE(json.find("nothing"));
    EXPECT_FALSE(json.find("absent"));
    EXPECT_TRUE(json.member("absent").is_null());
    EXPECT_EQ(json.member("object").member("inner").text(), "c");
    EXPECT_EQ(json.member("object").size(), 1U);
    const auto elements = json.member("list").elements();
    ASSERT_EQ(elements.size(), 2U);
    EXPECT_EQ(elements[0].number(), 1U);
    EXPECT_EQ(elements[1].text(), "b");
    EXPECT_TRUE(json.member("object").elements().empty());
    EXPECT_EQ(json.member("text").size(), 0U);
}

TEST(AgentJson, TextThatIsNotJsonHasNoType)
{
    for (const char *text : {"", "{", "nul", "{\"a\":1} x", "[1,]", "\"\xff\""}) {
        const Json json = Json::parse(text);
        EXPECT_FALSE(json.is_null() || json.is_object() || json.is_array() || json.is_string())
            << text;
        EXPECT_TRUE(json.member("a").is_null());
    }
    EXPECT_TRUE(Json().is_null());
}

TEST(AgentJson, APartOutlivesTheWhole)
{
    Json inner;
    {
        inner = Json::parse(R"({"list":[{"a":"long enough to be on the heap"}]})")
                    .member("list")
                    .elements()
                    .front();
    }
    EXPECT_EQ(inner.member("a").text(), "long enough to be on the heap");
    EXPECT_EQ(inner.dump(), R"({"a":"long enough to be on the heap"})");
}

TEST(AgentJson, StringsAreEscaped)
{
    EXPECT_EQ(json_string("plain"), R"("plain")");
    EXPECT_EQ(json_string("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
    EXPECT_EQ(json_string("tägl"), R"("t\u00e4gl")");
    EXPECT_EQ(json_string("\xff"), R"("\ufffd")");
    for (const char *text : {"", "a\"b\\c\n", "日本 🦆"})
        EXPECT_EQ(Json::parse(json_string(text)).text(), text);
}

} // namespace
} // namespace xvtep::agent
