// SPDX-License-Identifier: GPL-2.0-only
// What one run of each program costs: the kernel's bpf_stats, and sizes.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <array>
#include <map>

#include <fmt/format.h>

#include "bench/line.h"
#include "user/base/fd.h"

namespace xvtep::bench {
namespace {

struct Path {
    const char *program; // the one that this path spends its time in
    Direction direction;
    const char *mode;
    Hook sink;
};
constexpr Path paths[] = {
    {"xdp_underlay", Direction::in, "xdp", Hook::tc},
    {"tc_underlay_ingress", Direction::in, "tc", Hook::tc},
    {"xdp_port", Direction::out, "xdp", Hook::xdp},
    {"tc_port_ingress", Direction::out, "tc", Hook::tc},
};

struct Counts {
    __u64 runs = 0, time = 0;
    __u32 verified = 0, jited = 0;
};

// Programs of that name on this machine; names are cut off by the kernel.
std::map<__u32, Counts> programs_named(const std::string &name)
{
    const std::string cut = ("xvtep_" + name).substr(0, BPF_OBJ_NAME_LEN - 1);
    std::map<__u32, Counts> found;
    for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
        const Fd fd(bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (fd && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && cut == info.name)
            found[id] = {.runs = info.run_cnt,
                         .time = info.run_time_ns,
                         .verified = info.verified_insns,
                         .jited = info.jited_prog_len};
    }
    return found;
}

// The one of them that ran most since `before`; what it did since then.
Counts busiest(const std::string &name, const std::map<__u32, Counts> &before)
{
    Counts most;
    for (const auto &[id, now] : programs_named(name)) {
        const auto at = before.find(id);
        const Counts then = at == before.end() ? Counts{} : at->second;
        if (now.runs - then.runs > most.runs)
            most = {.runs = now.runs - then.runs,
                    .time = now.time - then.time,
                    .verified = now.verified,
                    .jited = now.jited};
    }
    return most;
}

void run(Harness &harness, const Suite &suite)
{
    for (std::size_t n = 0; n < std::size(paths); n++) {
        const Path &path = paths[n];
        const std::vector<Case> cases(suite.cases.begin() + static_cast<long>(3 * n),
                                      suite.cases.begin() + static_cast<long>(3 * n + 3));
        if (!harness.wants_any(cases) || stopping())
            continue;
        World world(harness.options().xvtep);
        EndWords words;
        words.mode = words.port_mode = path.mode;
        if (path.direction == Direction::in)
            words.port_mode.clear();
        auto lines = build_lines(harness, world, cases[0], {System::xvtep}, path.direction,
                                 path.sink, words);
        if (lines.empty())
            continue;
        Line &line = lines.begin()->second;
        if (const auto good = line.check(64); !good) {
            harness.fail(cases[0], System::xvtep, good.error().message());
            continue;
        }
        auto source = line.generator(64, {});
        if (!source) {
            harness.fail(cases[0], System::xvtep, source.error().message());
            continue;
        }
        const Fd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
        const auto rate = rate_of(harness, line, *source);
        harness.in_turn(
            cases, {{System::xvtep, [&]() -> Result<std::vector<double>> {
                         const auto before = programs_named(path.program);
                         TRY(rate.round());
                         const Counts did = busiest(path.program, before);
                         if (did.runs < 1000)
                             return system_failure("time program", path.program, "it did not run");
                         return std::vector{
                             static_cast<double>(did.time) / static_cast<double>(did.runs),
                             static_cast<double>(did.verified), static_cast<double>(did.jited)};
                     }}});
    }
}

} // namespace

Suite programs_suite()
{
    Suite suite{"programs", {}, run};
    for (const Path &path : paths) {
        suite.cases.push_back({fmt::format("program-ns-{}", path.program), "ns", false,
                               "a run, the statistics' own cost (about 55 ns) included"});
        suite.cases.push_back({fmt::format("program-verified-{}", path.program), "insns", false,
                               "instructions the verifier went through"});
        suite.cases.push_back(
            {fmt::format("program-jited-{}", path.program), "bytes", false, "machine code"});
    }
    return suite;
}

} // namespace xvtep::bench
