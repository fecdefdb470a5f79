// SPDX-License-Identifier: GPL-2.0-only
// Frames into containers by several wires at once, a core for each.
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "bench/check.h"
#include "bench/lanes.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 2};

Case cores_case(unsigned n)
{
    return {fmt::format("cores-{}", n), "Mpps", true,
            fmt::format("64-byte frames by {0} wire{1} into {0} container{1}, {0} core{1}", n,
                        n > 1 ? "s" : "")};
}

void run(Harness &harness, const Suite &suite)
{
    if (!harness.wants_any(suite.cases))
        return;
    const auto cores = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN));
    const unsigned most = std::min(cores, std::ranges::max(counts));
    World world(harness.options().xvtep);
    std::map<System, std::vector<Line>> all;
    for (const System system : harness.here({System::xvtep, System::kernel, System::kernel_external,
                                             System::no_tunnel, System::wire})) {
        if (stopping())
            return;
        auto lanes = build_lanes(world, system, most);
        if (lanes)
            all.emplace(system, std::move(*lanes));
        else
            harness.fail(suite.cases[0], system, lanes.error().message());
    }
    for (const unsigned count : counts) {
        const Case about = cores_case(count);
        if (stopping() || !harness.wants(about.name))
            continue;
        if (count > cores) {
            Harness::say(fmt::format("{}: there are {} cores", about.name, cores));
            continue;
        }
        std::vector<Contender> contenders;
        for (auto &[system, lanes] : all) {
            Result<> good;
            for (unsigned n = 0; n < count && good; n++)
                good = checked([&lane = lanes[n]] { return lane.check(64); });
            auto together = rate_together(harness, lanes, count);
            if (good && together)
                contenders.push_back(*together);
            else
                harness.fail(about, system, (good ? together.error() : good.error()).message());
        }
        harness.in_turn({about}, contenders);
    }
}

} // namespace

Suite cores_suite()
{
    Suite suite{"cores", {}, run};
    for (const unsigned n : counts)
        suite.cases.push_back(cores_case(n));
    return suite;
}

} // namespace xvtep::bench
