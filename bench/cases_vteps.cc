// SPDX-License-Identifier: GPL-2.0-only
// How time and memory grow with the number of VTEPs of one namespace.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "bench/memory.h"
#include "bench/scale.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 64, 512, 4096};

const Case first_attach{"first-attach", "ms", false,
                        "the first VTEP of a namespace, with its bridge; programs are loaded"};
const Case first_xdp{"first-attach-xdp", "ms", false, "the same with --mode xdp, without a bridge"};
const Case first_memory{"memory-first", "KB", false, "kernel memory of a namespace's first VTEP"};
const Case further_memory{"memory-further", "KB", false,
                          "and of each further one: its device, and no bridge"};

std::vector<Case> cases_of(unsigned n)
{
    const auto one = [n](const char *what, const char *unit, const char *about) {
        return Case{fmt::format("vteps-{}-{}", what, n), unit, false,
                    fmt::format(fmt::runtime(about), n)};
    };
    return {one("attach", "s", "{} VTEPs with a bridge each made by one -batch"),
            one("memory", "MB", "kernel memory that {} of them take"),
            one("show", "s", "xvtep show, of {} VTEPs; ip -details link show type vxlan"),
            one("stats", "s", "xvtep stats, of {} VTEPs; ip -statistics link show type vxlan"),
            one("fdb", "s", "xvtep fdb show, of {} VTEPs without entries; bridge fdb show"),
            one("reload", "s", "the programs of {} VTEPs replaced by xvtep reload"),
            one("detach", "s", "{} VTEPs and their bridges removed; ip link del group")};
}

// What is asked of a system, as its program's words; "" where there is nothing of the kind.
struct Words {
    const char *show, *stats, *fdb, *reload;
};
Words words_of(System system)
{
    if (system == System::kernel)
        return {"-details link show type vxlan", "-statistics link show type vxlan", "fdb show",
                ""};
    return {"show", "stats", "fdb show", "reload"};
}

// The median of a few calls, where one takes milliseconds.
Result<double> ask(const Options &options, System system, const std::string &host,
                   const std::string &words, unsigned count)
{
    if (words.empty())
        return no_figure;
    const std::string program = system != System::kernel   ? program_of(options, system)
                                : words.starts_with("fdb") ? "bridge"
                                                           : "ip";
    std::vector<double> took;
    for (unsigned n = 0; n < (count <= 64 ? 5 : 1); n++) {
        TRY_ASSIGN(const double once,
                   seconds_of(fmt::format("{} -n {} {} >/dev/null", program, host, words), 900));
        took.push_back(once);
    }
    return median(took);
}

enum class Memory { measured, left_out }; // to measure it takes seconds

Result<std::vector<double>> round(const Options &options, System system, unsigned count,
                                  Memory memory)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "vteps"));
    const bool measured = memory == Memory::measured;
    const double before = measured ? settled_memory() : no_figure;
    TRY_ASSIGN(const double attach, attach_many(options, system, host, 0, count, Bridges::each));
    const double grown = measured ? (settled_memory() - before) / mebibyte : no_figure;
    const Words words = words_of(system);
    TRY_ASSIGN(const double show, ask(options, system, host, words.show, count));
    TRY_ASSIGN(const double stats, ask(options, system, host, words.stats, count));
    TRY_ASSIGN(const double fdb, ask(options, system, host, words.fdb, count));
    TRY_ASSIGN(const double reload, ask(options, system, host, words.reload, count));
    TRY_ASSIGN(const double detach, detach_all(options, system, host));
    return std::vector{attach, grown, show, stats, fdb, reload, detach};
}

// The first VTEP, and then `more` of them.
Result<std::vector<double>> memory_round(const Options &options, System system, unsigned more)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "memory"));
    const double before = settled_memory();
    TRY(attach_many(options, system, host, 0, 1, Bridges::none));
    const double one = settled_memory();
    TRY(attach_many(options, system, host, 1, 1 + more, Bridges::none));
    const double all = settled_memory();
    TRY(detach_all(options, system, host));
    return std::vector{(one - before) / 1024, (all - one) / more / 1024};
}

Result<std::vector<double>> first_round(const Options &options, System system)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "first"));
    TRY_ASSIGN(const double took, attach_many(options, system, host, 0, 1, Bridges::each));
    return std::vector{took * 1e3};
}

Result<std::vector<double>> first_xdp_round(const Options &options, System system)
{
    World world(program_of(options, system));
    TRY_ASSIGN(const std::string host, bare_host(world, "first"));
    TRY_ASSIGN(const double took,
               seconds_of(fmt::format("{} -n {} attach u --vni 42 --name x0 --local {} --mode xdp",
                                      program_of(options, system), host, here),
                          60));
    return std::vector{took * 1e3};
}

template <class Round> std::vector<Contender> contenders(const Harness &harness, Round round)
{
    std::vector<Contender> found;
    for (const System system : scale_systems(harness))
        found.push_back(
            {system, [&harness, round, system] { return round(harness.options(), system); }});
    return found;
}

void run(Harness &harness, const Suite &)
{
    const Options &options = harness.options();
    const auto block = hold_program_block();
    if (!block)
        return harness.fail(first_memory, System::xvtep, block.error().message());
    if (harness.wants(first_attach.name) && !stopping())
        harness.in_turn({first_attach}, contenders(harness, first_round));
    if (harness.wants(first_xdp.name) && !stopping()) {
        auto all = contenders(harness, first_xdp_round);
        std::erase_if(all, [](const Contender &c) { return c.system == System::kernel; });
        harness.in_turn({first_xdp}, all);
    }
    if (harness.wants_any({first_memory, further_memory}) && !stopping()) {
        const unsigned more = options.quick ? 32 : 128;
        harness.in_turn(
            {first_memory, further_memory},
            contenders(harness, [more](const Options &o,
                                       System system) { return memory_round(o, system, more); }),
            rounds_for(options, more));
    }
    for (const unsigned count : counts) {
        if (stopping() || !harness.wants_any(cases_of(count)) ||
            (options.quick && options.cases.empty() && count > 64))
            continue;
        const auto memory =
            harness.wants(cases_of(count)[1].name) ? Memory::measured : Memory::left_out;
        auto all = contenders(harness, [count, memory](const Options &o, System system) {
            return round(o, system, count, memory);
        });
        std::erase_if(all, [&](const Contender &c) {
            return c.system == System::before && count > options.before_most;
        });
        harness.in_turn(cases_of(count), all, rounds_for(options, count), WarmUp::no);
    }
}

} // namespace

Suite vteps_suite()
{
    Suite suite{"vteps", {first_attach, first_xdp, first_memory, further_memory}, run, true};
    for (const unsigned n : counts)
        for (const auto &one : cases_of(n))
            suite.cases.push_back(one);
    return suite;
}

} // namespace xvtep::bench
