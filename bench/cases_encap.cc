// SPDX-License-Identifier: GPL-2.0-only
// Frames from a container to the far end of the wire; xvtep's programs at TC, and in XDP.
#include <fmt/format.h>

#include "bench/line.h"

namespace xvtep::bench {
namespace {

struct Shape {
    const char *name, *mode;
    Hook hook;
    std::size_t size;
};

constexpr Shape shapes[] = {
    {"encap-tc-64", "tc", Hook::tc, 64},           {"encap-tc-1400", "tc", Hook::tc, 1400},
    {"encap-xdp-64", "xdp", Hook::xdp, 64},        {"encap-xdp-1400", "xdp", Hook::xdp, 1400},
    {"encap-xdp-64-tc-sink", "xdp", Hook::tc, 64},
};

void run(Harness &harness, const Suite &suite)
{
    for (std::size_t n = 0; n < std::size(shapes); n++) {
        if (!harness.wants(suite.cases[n].name) || stopping())
            continue;
        World world(harness.options().xvtep);
        EndWords words;
        words.mode = words.port_mode = shapes[n].mode;
        auto lines = build_lines(harness, world, suite.cases[n], all_systems(), Direction::out,
                                 shapes[n].hook, words);
        measure_lines(harness, suite.cases[n], lines, shapes[n].size);
    }
}

} // namespace

Suite encap_suite()
{
    Suite suite{"encap", {}, run};
    for (const Shape &shape : shapes)
        suite.cases.push_back(
            {shape.name, "Mpps", true,
             fmt::format("{}-byte frames of a container, xvtep at {}, {} sink at "
                         "the wire's far end",
                         shape.size, shape.mode, shape.hook == Hook::tc ? "TC" : "XDP")});
    return suite;
}

} // namespace xvtep::bench
