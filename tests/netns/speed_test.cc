// SPDX-License-Identifier: GPL-2.0-only
// xvtep beside the kernel's vxlan device and bridge on the same machine, rounds in turn, medians.
// The bounds here catch a lost fast path, not a percent: bench/README.md has the figures and says
// how to measure them.

#include <unistd.h>

#include <cstdio>

#include <gtest/gtest.h>

#include "bench/line.h"
#include "bench/traffic.h"

namespace xvtep::bench {
namespace {

class Speed : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, for network namespaces and BPF";
    }

    // xvtep's median over the kernel's.
    double ratio(const Case &about) const
    {
        const CaseResult *result = harness_.result(about.name);
        if (result == nullptr || result->rounds.size() != 2)
            return 0; // what failed is on standard error
        const auto &ours = result->rounds.at(System::xvtep),
                   &theirs = result->rounds.at(System::kernel);
        std::printf("%s: xvtep %.2f %s, kernel %.2f\n", about.what.c_str(), median(ours),
                    about.unit.c_str(), median(theirs));
        return median(ours) / median(theirs);
    }

    double compare_tcp(const Case &about, bool mtu_wire)
    {
        std::vector<Contender> contenders;
        for (const System system : {System::kernel, System::xvtep}) {
            const auto pair = build_pair(world_, system, mtu_wire);
            if (!pair) {
                harness_.fail(about, system, pair.error().message());
                continue;
            }
            contenders.push_back({system, [pair = *pair]() -> Result<std::vector<double>> {
                                      TRY_ASSIGN(
                                          const auto got,
                                          tcp_streams({.from = pair.ends[0].container,
                                                       .to = pair.ends[1].container,
                                                       .address = pair.ends[1].words.container},
                                                      1, 0.6));
                                      return std::vector{got.gbit};
                                  }});
        }
        harness_.in_turn({about}, contenders);
        return ratio(about);
    }

    World world_{XVTEP_BINARY};
    Harness harness_{Options{.rounds = 3, .seconds = 0.3, .xvtep = XVTEP_BINARY}};
};

TEST_F(Speed, SmallFramesIntoAContainer)
{
    const Case about{"decap", "Mpps", true, "64-byte frames delivered into a container"};
    auto lines = build_lines(harness_, world_, about, {System::kernel, System::xvtep},
                             Direction::in, Hook::tc);
    measure_lines(harness_, about, lines, 64);
    EXPECT_GT(ratio(about), 2.0);
}

TEST_F(Speed, TcpOnAWireThatCarriesGso)
{
    EXPECT_GT(compare_tcp({"gso", "Gbit/s", true, "TCP, one stream, GSO wire"}, false), 0.7);
}

TEST_F(Speed, TcpOnAWireOfMtuSizedPackets)
{
    EXPECT_GT(compare_tcp({"mtu", "Gbit/s", true, "TCP, one stream, MTU wire"}, true), 0.7);
}

} // namespace
} // namespace xvtep::bench
