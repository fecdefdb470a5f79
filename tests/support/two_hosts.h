// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "tests/support/netns_case.h"

namespace xvtep::test {

//   a ==u====u== b     192.168.8.100 and .101; xvtep's commands run in a
class TwoHosts : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        b_ = host("b");
        wire(a_, "u", b_, "u");
        ip(a_, "addr add 192.168.8.100/24 dev u");
        ip(b_, "addr add 192.168.8.101/24 dev u");
    }

    Output run(const std::string &words)
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), a_, words));
    }
    void works(const std::string &words)
    {
        const Output output = run(words);
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
    }

    std::string a_, b_;
};

} // namespace xvtep::test
