// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/log.h"

#include <memory>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "user/agent/json.h"

namespace xvtep::agent {
namespace {

TEST(Log, EscapesWhatSteersTerminals)
{
    EXPECT_EQ(escaped("plain, täglich, 日本, 🦆"), "plain, täglich, 日本, 🦆");
    EXPECT_EQ(escaped("\x1b[31mred\r\n\tx\x7f"), "\\x1b[31mred\\x0d\\x0a\\x09x\\x7f");
    EXPECT_EQ(escaped("\xc2\x9b"
                      "31m"),
              "\\xc2\\x9b31m")
        << "C1's CSI";
    EXPECT_EQ(escaped("\x9b"
                      "31m"),
              "\\x9b31m")
        << "no UTF-8";
    EXPECT_EQ(escaped(std::string_view("a\0b", 3)), "a\\x00b");
    for (const char *cut : {"\xe6\x97", "\xf0\x9f\xa6", "\xc3"})
        EXPECT_EQ(escaped(cut).substr(0, 2), "\\x") << "cut short";
    EXPECT_EQ(escaped("\xc0\xaf"), "\\xc0\\xaf") << "longer than it need be";
    EXPECT_EQ(escaped("\xc3(x"), "\\xc3(x");
    EXPECT_EQ(escaped(""), "");
}

TEST(Log, JsonLinesAreJsonWhateverTheyCarry)
{
    std::ostringstream out;
    const auto before = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "json", std::make_shared<spdlog::sinks::ostream_sink_mt>(out)));
    set_up_log(spdlog::level::info, LogFormat::json);
    log_warning("{}: \"{}\"", "etcd", "a\n\xff");
    log_debug("below the level");
    spdlog::set_default_logger(before);
    const std::string line = out.str();
    EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
    const Json json = Json::parse(line);
    EXPECT_EQ(json.size(), 3U);
    EXPECT_THAT(json.member("time").text(),
                ::testing::MatchesRegex("....-..-..T..:..:..[.]......Z"));
    EXPECT_EQ(json.member("level").text(), "warning");
    EXPECT_EQ(json.member("message").text(), "etcd: \"a\n\xef\xbf\xbd\"");
}

} // namespace
} // namespace xvtep::agent
