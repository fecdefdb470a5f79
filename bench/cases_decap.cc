// SPDX-License-Identifier: GPL-2.0-only
// Frames from the underlay port into a container, generated on the core that receives them.
#include <algorithm>

#include <fmt/format.h>

#include "bench/line.h"
#include "bench/napi.h"

namespace xvtep::bench {
namespace {

struct Shape {
    const char *name;
    Hook hook;
    std::size_t size;
    unsigned flows;
    bool overload;
};

// The receiver stays on the other core once it is there: last of its hook.
constexpr Shape shapes[] = {
    {"decap-container-64", Hook::tc, 64, 1, false},
    {"decap-container-512", Hook::tc, 512, 1, false},
    {"decap-container-1400", Hook::tc, 1400, 1, false},
    {"decap-container-64-10k-flows", Hook::tc, 64, 10'000, false},
    {"decap-container-512-10k-flows", Hook::tc, 512, 10'000, false},
    {"decap-container-1400-10k-flows", Hook::tc, 1400, 10'000, false},
    {"decap-overload-64", Hook::tc, 64, 1, true},
    {"decap-sink-64", Hook::xdp, 64, 1, false},
};
const Case net{"decap-net-64", "ns", false, "a frame's time into a container, less the wire's"};

void derive_net(Harness &harness)
{
    const CaseResult *rates = harness.result("decap-container-64");
    if (rates == nullptr || !rates->rounds.contains(System::wire))
        return;
    const auto &wire = rates->rounds.at(System::wire);
    for (const auto &[system, rounds] : rates->rounds) {
        std::vector<double> times;
        for (std::size_t n = 0; n < std::min(rounds.size(), wire.size()); n++)
            times.push_back(1e3 / rounds[n] - 1e3 / wire[n]);
        if (system != System::wire)
            harness.add(net, system, times);
    }
}

void run_with(Harness &harness, const Suite &suite, Hook hook)
{
    World world(harness.options().xvtep);
    std::map<System, Line> lines;
    for (std::size_t n = 0; n < std::size(shapes); n++) {
        const Shape &shape = shapes[n];
        const Case &about = suite.cases[n];
        const bool needed = harness.wants(about.name) || (n == 0 && harness.wants(net.name));
        if (shape.hook != hook || !needed || stopping())
            continue;
        if (lines.empty()) {
            const auto only = hook == Hook::tc
                                  ? all_systems()
                                  : std::vector{System::xvtep, System::wire, System::bare};
            lines = build_lines(harness, world, about, only, Direction::in, hook);
        }
        if (shape.overload) {
            lines.erase(System::ovs); // that core is its polling thread's
            for (const auto &[system, line] : lines)
                if (const auto moved =
                        receive_on(line.station.end.host, "u", harness.options().other_core);
                    !moved)
                    harness.fail(about, system, moved.error().message());
        }
        measure_lines(harness, about, lines, shape.size,
                      {.flows = shape.flows > 1 ? shape.flows : 0});
    }
}

void run(Harness &harness, const Suite &suite)
{
    run_with(harness, suite, Hook::tc);
    if (harness.wants(net.name))
        derive_net(harness);
    run_with(harness, suite, Hook::xdp);
}

} // namespace

Suite decap_suite()
{
    Suite suite{"decap", {}, run};
    for (const Shape &shape : shapes)
        suite.cases.push_back(
            {shape.name, "Mpps", true,
             fmt::format("{}-byte frames, {} flow{}, into {}{}", shape.size, shape.flows,
                         shape.flows > 1 ? "s" : "",
                         shape.hook == Hook::xdp ? "an XDP sink in the container" : "a container",
                         shape.overload ? ", receiver on the other core" : "")});
    suite.cases.push_back(net);
    return suite;
}

} // namespace xvtep::bench
