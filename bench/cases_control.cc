// SPDX-License-Identifier: GPL-2.0-only
// Beside the packets: loading, dumping and storing entries, attaching, and misses.
#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/harness.h"
#include "bench/misses.h"
#include "bench/scale.h"
#include "bench/shell.h"
#include "bpf/abi/tables.h"
#include "user/datapath/bpffs.h"
#include "xvtep/netns.h"

namespace xvtep::bench {
namespace {

const Case load{"fdb-load", "us/entry", false,
                "entries by -batch: xvtep a million, bridge a tenth"};
const Case dump{"fdb-dump", "us/entry", false, "the same, shown"};
const Case memory{"fdb-memory", "B/entry", false,
                  "xvtep: its table when full; kernel: growth of the slabs"};
const Case attach{"attach", "ms", false, "VTEP and bridge made: xvtep attach; ip link"};
const Case p50{"miss-latency-p50", "us", false,
               "frame sent to callback; kernel: to netlink message; median"};
const Case p99{"miss-latency-p99", "us", false, "99th percentile of the same"};
const Case miss_rate{"miss-rate", "k/s", true, "most misses a second of which none was lost"};

constexpr Mac first_mac{{2, 0, 1, 0, 0, 0}};

// What the table of a namespace's VTEPs takes in the kernel.
Result<double> table_bytes(const std::string &host)
{
    TRY_ASSIGN(const auto root, bpffs_root());
    TRY_ASSIGN(const auto space, Netns::open(host));
    TRY_ASSIGN(const auto cookie, space.cookie());
    const Fd fd(bpf_obj_get((state_directory(root, cookie) + "/maps/fdb").c_str()));
    if (!fd)
        return errno_failure("open map", "fdb", errno);
    std::ifstream in(fmt::format("/proc/self/fdinfo/{}", fd.get()));
    for (std::string key; in >> key;)
        if (double value = 0; key == "memlock:" && in >> value)
            return value;
    return system_failure("read map", "fdb", "its size is not told");
}

double slab_bytes()
{
    std::ifstream in("/proc/meminfo");
    for (std::string key; in >> key;)
        if (double value = 0; key == "Slab:" && in >> value)
            return value * 1024;
    return 0;
}

Result<std::vector<double>> table_round(const Options &options, System system)
{
    World world(options.xvtep);
    TRY_ASSIGN(const std::string host, bare_host(world, "control"));
    const bool ours = system == System::xvtep;
    const unsigned count = (ours ? 1'000'000 : 100'000) / (options.quick ? 10 : 1);
    if (ours)
        TRY(sh(fmt::format("{} -n {} attach u --vni 42 --name vxlan0", options.xvtep, host)));
    else
        TRY(ip_batch(host,
                     "link add vxlan0 type vxlan id 42 dev u dstport 4789\nlink set vxlan0 up"));
    std::string text;
    for (unsigned n = 0; n < count; n++)
        text += fmt::format("fdb add {} dev vxlan0 dst {}{}\n", numbered(first_mac, n).text(),
                            there, ours ? "" : " self");
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string program = fmt::format("{} -n {}", ours ? options.xvtep : "bridge", host);
    // The kernel still frees the tables of the round before, in the background.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double before = slab_bytes();
    TRY_ASSIGN(const double loading,
               seconds_of(fmt::format("{} -batch {}", program, file.path()), 300));
    double bytes = (slab_bytes() - before) / count;
    if (ours) {
        TRY_ASSIGN(const double all, table_bytes(host));
        bytes = all / XV_FDB_ENTRIES; // all of it is there from the start
    }
    TRY_ASSIGN(const auto lines,
               sh(fmt::format("{} fdb show dev vxlan0 | grep -c {}", program, there), 300));
    if (std::atoi(lines.c_str()) != static_cast<int>(count))
        return system_failure("check entries of", name_of(system),
                              fmt::format("{} of {} are there", std::atoi(lines.c_str()), count));
    TRY_ASSIGN(const double showing,
               seconds_of(fmt::format("{} fdb show dev vxlan0 >/dev/null", program), 300));
    return std::vector{loading / count * 1e6, showing / count * 1e6, bytes};
}

Result<std::vector<double>> attach_round(const Options &options, System system)
{
    World world(options.xvtep);
    TRY_ASSIGN(const std::string host, bare_host(world, "control"));
    const std::string command =
        system == System::xvtep
            ? fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --remote {} --bridge br0",
                          options.xvtep, host, there)
            : fmt::format("ip -n {0} link add vxlan0 type vxlan id 42 dev u local {1} remote {2} "
                          "dstport 4789; "
                          "ip -n {0} link add br0 type bridge; ip -n {0} link set br0 up; "
                          "ip -n {0} link set vxlan0 master br0 up",
                          host, here, there);
    TRY_ASSIGN(const double took, seconds_of(command, 30));
    return std::vector{took * 1e3};
}

Result<std::vector<double>> miss_time_round(const Options &options, System system,
                                            const std::string &host)
{
    TRY_ASSIGN(const auto times,
               miss_times(system, host, options.quick ? 300 : 2000, options.core));
    return std::vector{times[times.size() / 2], times[times.size() * 99 / 100]};
}

// Doubles the rate until some are lost, or frames cannot be sent as fast.
Result<std::vector<double>> miss_rate_round(const Options &options, System system,
                                            const std::string &host)
{
    double best = 0;
    for (double rate = 10'000; rate < 3e6; rate *= 1.5) {
        TRY_ASSIGN(const auto got, misses_at(system, host, rate, options.quick ? 0.05 : 0.2,
                                             options.core, options.other_core));
        if (got.heard < got.sent)
            break;
        best = std::max(best, got.rate);
        if (got.rate < 0.8 * rate)
            break;
    }
    return std::vector{best / 1e3};
}

void run_misses(Harness &harness)
{
    World world(harness.options().xvtep);
    std::vector<Contender> times, rates;
    for (const System system : {System::xvtep, System::kernel}) {
        if (!harness.wants(system))
            continue;
        const auto host = bare_host(world, "control");
        const auto made =
            host ? build_missing(world, system, *host) : Result<>(std::unexpected(host.error()));
        if (!made) {
            harness.fail(p50, system, made.error().message());
            continue;
        }
        const Options &o = harness.options();
        times.push_back(
            {system, [&o, system, host = *host] { return miss_time_round(o, system, host); }});
        rates.push_back(
            {system, [&o, system, host = *host] { return miss_rate_round(o, system, host); }});
    }
    if (harness.wants_any({p50, p99}))
        harness.in_turn({p50, p99}, times);
    if (harness.wants(miss_rate.name))
        harness.in_turn({miss_rate}, rates);
}

void run(Harness &harness, const Suite &)
{
    const Options &o = harness.options();
    const auto both = [&](Result<std::vector<double>> (*round)(const Options &, System)) {
        std::vector<Contender> contenders;
        for (const System system : {System::xvtep, System::kernel})
            if (harness.wants(system))
                contenders.push_back({system, [&o, round, system] { return round(o, system); }});
        return contenders;
    };
    if (harness.wants_any({load, dump, memory}) && !stopping())
        harness.in_turn({load, dump, memory}, both(table_round),
                        o.quick ? 1 : std::min(o.rounds, 3U));
    if (harness.wants(attach.name) && !stopping())
        harness.in_turn({attach}, both(attach_round));
    if (harness.wants_any({p50, p99, miss_rate}) && !stopping())
        run_misses(harness);
}

} // namespace

Suite control_suite()
{
    return {"control", {load, dump, memory, attach, p50, p99, miss_rate}, run};
}

} // namespace xvtep::bench
