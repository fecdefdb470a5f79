// SPDX-License-Identifier: GPL-2.0-only
// Tables that grow, and what replaces an earlier build's programs and tables.
#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/scale.h"
#include "bench/shell.h"
#include "user/base/undo.h"

namespace xvtep::bench {
namespace {

constexpr unsigned sizes[] = {1'000, 10'000, 100'000, 1'000'000};
constexpr unsigned most_of_kernel = 100'000; // its chains grow: a million take minutes
constexpr unsigned upgraded[] = {0, 1'000'000};
constexpr Mac first_mac{{2, 0, 1, 0, 0, 0}};

Case fill_case(unsigned n)
{
    return {fmt::format("fill-{}", n), "s", false,
            fmt::format("{} entries by one -batch, into an empty table", n)};
}

Case upgrade_case(unsigned n)
{
    return {fmt::format("upgrade-{}", n), "s", false,
            fmt::format("reload of what the earlier build has attached, with {} entries", n)};
}

// The VTEP "vxlan0".
Result<> make_vtep(const Options &options, System system, const std::string &host)
{
    if (system == System::kernel)
        return ip_batch(host, fmt::format("link add vxlan0 up type vxlan id 42 dev u local {} "
                                          "dstport 4789 noudpcsum",
                                          here));
    TRY(sh(fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --local {}",
                       program_of(options, system), host, here)));
    return {};
}

// Seconds.
Result<double> fill(const Options &options, System system, const std::string &host, unsigned count)
{
    std::string text;
    for (unsigned n = 0; n < count; n++)
        text += fmt::format("fdb add {} dev vxlan0 dst {}{}\n", numbered(first_mac, n).text(),
                            there, system == System::kernel ? " self" : "");
    TRY_ASSIGN(const auto file, LineFile::write(text));
    return seconds_of(fmt::format("{} -n {} -batch {}",
                                  system == System::kernel ? "bridge" : program_of(options, system),
                                  host, file.path()),
                      600);
}

Result<> check_entries(const Options &options, System system, const std::string &host,
                       unsigned wanted)
{
    TRY_ASSIGN(const auto text,
               sh(fmt::format("{} -n {} fdb show dev vxlan0 | grep -c {} || true",
                              system == System::kernel ? "bridge" : program_of(options, system),
                              host, there),
                  300));
    unsigned count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    if (count != wanted)
        return system_failure("check entries of", name_of(system),
                              fmt::format("{} of {} are there", count, wanted));
    return {};
}

Result<std::vector<double>> fill_round(const Options &options, System system, unsigned count)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "fill"));
    TRY(make_vtep(options, system, host));
    TRY_ASSIGN(const double took, fill(options, system, host, count));
    TRY(check_entries(options, system, host, count));
    return std::vector{took};
}

// The earlier build attaches; `system`'s program reloads.
Result<std::vector<double>> upgrade_round(const Options &options, System system, unsigned count)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "upgrade"));
    Undo leftovers;
    leftovers.push([&] { // if the new build has failed
        (void)sh(fmt::format("{} -n {} detach u", options.before, host));
    });
    TRY(make_vtep(options, System::before, host));
    if (count > 0)
        TRY(fill(options, System::before, host, count));
    TRY_ASSIGN(const double took,
               seconds_of(fmt::format("{} -n {} reload", program_of(options, system), host), 600));
    TRY(check_entries(options, system, host, count));
    return std::vector{took};
}

void run(Harness &harness, const Suite &)
{
    const Options &options = harness.options();
    const bool chosen = !options.cases.empty();
    for (const unsigned count : sizes) {
        if (stopping() || !harness.wants(fill_case(count).name) ||
            (options.quick && !chosen && count > 100'000))
            continue;
        std::vector<Contender> contenders;
        for (const System system : scale_systems(harness))
            if (system != System::kernel || count <= most_of_kernel)
                contenders.push_back({system, [&options, system, count] {
                                          return fill_round(options, system, count);
                                      }});
        harness.in_turn({fill_case(count)}, contenders, std::min(options.rounds, 3U), WarmUp::no);
    }
    for (const unsigned count : upgraded) {
        if (stopping() || options.before.empty() || !harness.wants(upgrade_case(count).name) ||
            (options.quick && !chosen && count > 100'000))
            continue;
        std::vector<Contender> contenders;
        for (const System system : {System::xvtep, System::before})
            if (harness.wants(system))
                contenders.push_back({system, [&options, system, count] {
                                          return upgrade_round(options, system, count);
                                      }});
        harness.in_turn({upgrade_case(count)}, contenders, std::min(options.rounds, 3U),
                        WarmUp::no);
    }
}

} // namespace

Suite upgrade_suite()
{
    Suite suite{"upgrade", {}, run, true};
    for (const unsigned n : sizes)
        suite.cases.push_back(fill_case(n));
    for (const unsigned n : upgraded)
        suite.cases.push_back(upgrade_case(n));
    return suite;
}

} // namespace xvtep::bench
