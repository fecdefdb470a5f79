// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/state_file.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

class AgentStateFile : public ::testing::Test {
  protected:
    ~AgentStateFile() override { std::filesystem::remove_all(directory_); }
    void write(const std::string &text) const
    {
        std::filesystem::create_directories(directory_);
        std::ofstream(path_) << text;
    }

    std::string directory_ = fmt::format("/tmp/xvtep_state_test.{}", ::getpid());
    std::string path_ = directory_ + "/endpoints.json";
};

TEST_F(AgentStateFile, KeepsEndpoints)
{
    const std::vector<SavedEndpoint> endpoints{{"p1", 0, 42, *Mac::parse("02:00:00:00:00:01"), {}},
                                               {"a \"b\"",
                                                4094,
                                                16777215,
                                                *Mac::parse("02:00:00:00:00:02"),
                                                {*Ip::parse("10.20.1.3"), *Ip::parse("fd20::3")}}};
    ASSERT_TRUE(write_state(path_, endpoints));
    EXPECT_EQ(*read_state(path_), endpoints);
    ASSERT_TRUE(write_state(path_, {}));
    EXPECT_TRUE(read_state(path_)->empty());
}

TEST_F(AgentStateFile, ReadsIndentedText)
{
    write(R"([
 {
  "device": "p1",
  "ips": [
   "10.20.1.3"
  ],
  "mac": "02:00:00:00:00:01",
  "vlan": 7,
  "vni": 42
 }
])");
    EXPECT_EQ(*read_state(path_),
              (std::vector<SavedEndpoint>{
                  {"p1", 7, 42, *Mac::parse("02:00:00:00:00:01"), {*Ip::parse("10.20.1.3")}}}));
}

TEST_F(AgentStateFile, RefusesOtherText)
{
    EXPECT_EQ(read_state(path_).error().code, ENOENT);
    for (const char *text :
         {"", "{", "{}", "[3]", "[{}]",
          R"([{"device":"p1","ips":[],"mac":"2:0:0:0:0:1","vlan":4096,"vni":42}])",
          R"([{"device":"p1","ips":[],"mac":"2:0:0:0:0:1","vlan":0,"vni":16777216}])",
          R"([{"device":"p1","ips":[],"mac":"x","vlan":0,"vni":42}])",
          R"([{"device":1,"ips":[],"mac":"2:0:0:0:0:1","vlan":0,"vni":42}])",
          R"([{"device":"p1","ips":{},"mac":"2:0:0:0:0:1","vlan":0,"vni":42}])"}) {
        write(text);
        const auto read = read_state(path_);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, EBADMSG) << text;
    }
}

} // namespace
} // namespace xvtep::agent
