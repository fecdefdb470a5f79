// SPDX-License-Identifier: GPL-2.0-only
// How time and memory grow with the number of namespaces that have a VTEP each.
#include <algorithm>
#include <fstream>
#include <vector>

#include <fmt/format.h>

#include "bench/memory.h"
#include "bench/scale.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 16, 128};

// What the earlier build takes for each namespace on two cores: it may be too much for the machine.
constexpr double before_bytes = 80 * mebibyte;

std::vector<Case> cases_of(unsigned n)
{
    return {{fmt::format("namespaces-attach-{}", n), "s", false,
             fmt::format("a VTEP with a bridge in each of {} namespaces, one command each", n)},
            {fmt::format("namespaces-memory-{}", n), "MB", false,
             fmt::format("kernel memory that the VTEPs of {} namespaces take in all", n)},
            {fmt::format("namespaces-detach-{}", n), "s", false,
             fmt::format("these VTEPs and bridges removed, one command in each of {}", n)}};
}

double available_memory()
{
    std::ifstream in("/proc/meminfo");
    for (std::string key; in >> key;)
        if (double kib = 0; key == "MemAvailable:" && in >> kib)
            return kib * 1024;
    return 0;
}

// For each namespace in turn: COMMAND, with {} for its name.
std::string in_each(const std::vector<std::string> &hosts, const std::string &command)
{
    return fmt::format("set -e; for host in {}; do {}; done", fmt::join(hosts, " "), command);
}

Result<std::vector<double>> round(const Options &options, System system, unsigned count)
{
    World world(program_of(options, system));
    std::vector<std::string> hosts;
    for (unsigned n = 0; n < count && !stopping(); n++) {
        TRY_ASSIGN(const std::string host, bare_host(world, "many"));
        hosts.push_back(host);
    }
    const bool kernel = system == System::kernel;
    const std::string &program = program_of(options, system);
    const double before = settled_memory();
    TRY_ASSIGN(
        const double attach,
        seconds_of(
            in_each(hosts,
                    kernel ? fmt::format("printf \"link add b0 group 7 up type bridge\\nlink add "
                                         "x0 group 7 up master b0 type vxlan id 1000 dev u local "
                                         "{} dstport 4789 noudpcsum\\n\" | ip -n $host -batch -",
                                         here)
                           : fmt::format("{} -n $host attach u --vni 1000 --name x0 --local {} "
                                         "--bridge b0",
                                         program, here)),
            900));
    const double memory = (settled_memory() - before) / mebibyte;
    TRY_ASSIGN(const double detach,
               seconds_of(in_each(hosts, kernel ? "ip -n $host link del group 7"
                                                : program + " -n $host detach u"),
                          900));
    return std::vector{attach, memory, detach};
}

void run(Harness &harness, const Suite &suite)
{
    const Options &options = harness.options();
    const auto block = hold_program_block();
    if (!block)
        return harness.fail(suite.cases.front(), System::xvtep, block.error().message());
    for (const unsigned count : counts) {
        if (stopping() || !harness.wants_any(cases_of(count)) ||
            (options.quick && options.cases.empty() && count > 16))
            continue;
        std::vector<Contender> contenders;
        for (const System system : scale_systems(harness)) {
            if (system == System::before && count * before_bytes > available_memory() / 1.5) {
                Harness::say(fmt::format("{} namespaces: too much memory for `before`", count));
                continue;
            }
            contenders.push_back(
                {system, [&options, system, count] { return round(options, system, count); }});
        }
        harness.in_turn(cases_of(count), contenders, count <= 16 ? std::min(options.rounds, 3U) : 1,
                        WarmUp::no);
    }
}

} // namespace

Suite namespaces_suite()
{
    Suite suite{"namespaces", {}, run, true};
    for (const unsigned n : counts)
        for (const auto &one : cases_of(n))
            suite.cases.push_back(one);
    return suite;
}

} // namespace xvtep::bench
