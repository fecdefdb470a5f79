// SPDX-License-Identifier: GPL-2.0-only
// One device for many VNIs: how time and memory grow with their number.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "bench/memory.h"
#include "bench/scale.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 64, 512, 4094}; // to the last VLAN

const Case vni_memory{"memory-vni", "KB", false,
                      "kernel memory of each further VNI of one device (no ratio to a VTEP's)"};

std::vector<Case> cases_of(unsigned n)
{
    return {{fmt::format("vnis-attach-{}", n), "s", false,
             fmt::format("one device for {} VNIs; kernel: vnifilter", n)},
            {fmt::format("vnis-memory-{}", n), "MB", false,
             fmt::format("kernel memory that this device for {} VNIs takes", n)}};
}

std::string attach_command(const Options &options, System system, const std::string &host,
                           unsigned count)
{
    if (system == System::kernel)
        return fmt::format("ip -n {0} link add x0 up type vxlan external vnifilter local {1} "
                           "dstport 4789 noudpcsum && bridge -n {0} vni add dev x0 vni 1001-{2}",
                           host, here, 1000 + count);
    return fmt::format("{} -n {} attach u --vni 1001-{} --vlan 1-{} --name x0 --local {}",
                       program_of(options, system), host, 1000 + count, count, here);
}

Result<std::vector<double>> round(const Options &options, System system, unsigned count)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "vnis"));
    const double before = settled_memory();
    TRY_ASSIGN(const double attach, seconds_of(attach_command(options, system, host, count), 300));
    const double memory = (settled_memory() - before) / mebibyte;
    TRY(sh(system == System::kernel
               ? fmt::format("ip -n {} link del x0", host)
               : fmt::format("{} -n {} detach u", program_of(options, system), host),
           300));
    return std::vector{attach, memory};
}

// Builds without this, and kernels before 6.0, have no such device.
bool has_such_devices(const Options &options, System system)
{
    World world(program_of(options, system));
    const auto host = bare_host(world, "vnis");
    return host && sh(attach_command(options, system, *host, 2));
}

// The growth from the second size to the last that was measured.
void derive_memory(Harness &harness, System system)
{
    const CaseResult *const few = harness.result(cases_of(counts[1])[1].name);
    if (few == nullptr || !few->rounds.contains(system))
        return;
    double memory = 0;
    unsigned most = 0;
    for (const unsigned count : counts) {
        const CaseResult *const at = harness.result(cases_of(count)[1].name);
        if (count > counts[1] && at != nullptr && at->rounds.contains(system)) {
            memory = median(at->rounds.at(system));
            most = count;
        }
    }
    if (most != 0)
        harness.add(vni_memory, system,
                    {(memory - median(few->rounds.at(system))) * 1024 / (most - counts[1])});
}

void run(Harness &harness, const Suite &suite)
{
    const Options &options = harness.options();
    const auto block = hold_program_block();
    if (!block)
        return harness.fail(suite.cases.front(), System::xvtep, block.error().message());
    std::vector<System> systems;
    for (const System system : scale_systems(harness)) {
        if (has_such_devices(options, system))
            systems.push_back(system);
        else
            Harness::say(fmt::format("{}: has no device for many VNIs", name_of(system)));
    }
    for (const unsigned count : counts) {
        if (stopping() || !(harness.wants_any(cases_of(count)) || harness.wants(vni_memory.name)) ||
            (options.quick && options.cases.empty() && count > 512))
            continue;
        std::vector<Contender> contenders;
        for (const System system : systems)
            contenders.push_back(
                {system, [&options, system, count] { return round(options, system, count); }});
        harness.in_turn(cases_of(count), contenders, std::min(options.rounds, 3U), WarmUp::no);
    }
    for (const System system : systems)
        derive_memory(harness, system);
}

} // namespace

Suite many_vnis_suite()
{
    Suite suite{"many-vnis", {vni_memory}, run, true};
    for (const unsigned n : counts)
        for (const auto &one : cases_of(n))
            suite.cases.push_back(one);
    return suite;
}

} // namespace xvtep::bench
