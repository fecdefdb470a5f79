// SPDX-License-Identifier: GPL-2.0-only
// Encapsulation as the table of MACs grows.
#include <algorithm>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/line.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 1000, 100'000, 1'000'000};
constexpr Mac first_mac{{2, 0, 1, 0, 0, 0}};

const Case share{"fdb-share-1000000", "ratio", true,
                 "rate with a million entries, of that with one"};

Case entries_case(unsigned n)
{
    return {fmt::format("fdb-{}", n), "Mpps", true,
            fmt::format("64-byte frames of a container to {} MACs at random, each an entry", n)};
}

void run(Harness &harness, const Suite &suite)
{
    if (!harness.wants_any(suite.cases))
        return;
    World world(harness.options().xvtep);
    EndWords words;
    words.mode = words.port_mode = "xdp";
    words.other_mac = first_mac;
    auto lines = build_lines(harness, world, entries_case(1),
                             {System::xvtep, System::kernel, System::kernel_external, System::bare},
                             Direction::out, Hook::xdp, words);
    unsigned have = 1;
    for (const unsigned count : counts) {
        const Case about = entries_case(count);
        if (stopping() || (!harness.wants(about.name) && !harness.wants(share.name)))
            continue;
        // The kernel takes 20 to 50 us for each entry, twice.
        if (count > (harness.options().quick ? 1000U : 100'000U))
            lines.erase(System::kernel);
        for (auto at = lines.begin(); at != lines.end();) {
            const auto added = add_entries(world, at->second.station.end, first_mac, have, count);
            if (!added)
                harness.fail(about, at->first, added.error().message());
            at = added ? std::next(at) : lines.erase(at);
        }
        have = std::max(have, count);
        measure_lines(harness, about, lines, 64, {.macs = count});
    }
    const auto *one = harness.result("fdb-1");
    const auto *million = harness.result("fdb-1000000");
    if (one == nullptr || million == nullptr || !harness.wants(share.name))
        return;
    for (const auto &[system, rounds] : million->rounds) {
        std::vector<double> shares;
        const auto at = one->rounds.find(system);
        for (std::size_t n = 0;
             at != one->rounds.end() && n < std::min(rounds.size(), at->second.size()); n++)
            shares.push_back(rounds[n] / at->second[n]);
        harness.add(share, system, shares);
    }
}

} // namespace

Suite entries_suite()
{
    Suite suite{"entries", {}, run};
    for (const unsigned n : counts)
        suite.cases.push_back(entries_case(n));
    suite.cases.push_back(share);
    return suite;
}

} // namespace xvtep::bench
