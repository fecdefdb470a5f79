// SPDX-License-Identifier: GPL-2.0-only
// TCP and UDP from container to container, both ends the same system.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bench/harness.h"
#include "bench/ovs.h"
#include "bench/shell.h"
#include "bench/traffic.h"

namespace xvtep::bench {
namespace {

Route route(const Pair &pair, int from_core, int to_core)
{
    return {.from = pair.ends[0].container,
            .to = pair.ends[1].container,
            .address = pair.ends[1].words.container,
            .from_core = from_core,
            .to_core = to_core};
}

using Round = std::function<Result<std::vector<double>>(const Pair &, const Options &)>;

Round streams(unsigned count)
{
    return [count](const Pair &pair, const Options &o) -> Result<std::vector<double>> {
        const auto r = count == 1 ? route(pair, o.core, o.other_core) : route(pair, -1, -1);
        TRY_ASSIGN(const auto got, tcp_streams(r, count, 2 * o.seconds));
        return std::vector{got.gbit, got.cpu_per_gigabyte};
    };
}

Round datagrams(std::size_t size)
{
    return [size](const Pair &pair, const Options &o) -> Result<std::vector<double>> {
        TRY_ASSIGN(const double rate,
                   udp_datagrams(route(pair, o.core, o.other_core), size, o.seconds));
        return std::vector{rate};
    };
}

// Both ends on one core: no idle core has to be woken, which would take longer than all the rest.
Result<std::vector<double>> request_response(const Pair &pair, const Options &o)
{
    TRY_ASSIGN(const auto times, round_trips(route(pair, o.core, o.core), o.seconds));
    if (times.empty())
        return system_failure("ask", "TCP", "no answers");
    return std::vector{times[times.size() / 2], times[times.size() * 99 / 100]};
}

Result<std::vector<double>> connect_request_response(const Pair &pair, const Options &o)
{
    TRY_ASSIGN(const double rate, connections(route(pair, o.core, o.core), o.seconds));
    return std::vector{rate / 1e3};
}

struct Group {
    std::vector<Case> cases; // the figures of one round
    Round round;
};

std::vector<Group> groups(bool mtu_wire)
{
    const std::string wire = mtu_wire ? "mtu" : "gso";
    const std::string what =
        mtu_wire ? "wire of MTU-sized packets" : "wire that carries GSO packets";
    std::vector<Group> all;
    for (const unsigned n : {1U, 4U})
        all.push_back({{{fmt::format("tcp-{}-{}", n, wire), "Gbit/s", true,
                         fmt::format("TCP, {} stream{}, {}", n, n > 1 ? "s" : "", what)},
                        {fmt::format("tcp-{}-{}-cpu", n, wire), "s/GB", false,
                         "CPU time of all cores for a gigabyte of it"}},
                       streams(n)});
    if (mtu_wire)
        return all;
    all.push_back(
        {{{"udp-64", "kpps", true, "UDP, 64 bytes of payload, one sender"}}, datagrams(64)});
    all.push_back(
        {{{"udp-1400", "kpps", true, "UDP, 1400 bytes of payload, one sender"}}, datagrams(1400)});
    all.push_back({{{"tcp-rr-p50", "us", false, "round trip of one byte, median"},
                    {"tcp-rr-p99", "us", false, "round trip of one byte, 99th percentile"}},
                   request_response});
    all.push_back({{{"tcp-crr", "k/s", true, "connections made, used for a byte each way, ended"}},
                   connect_request_response});
    return all;
}

// Built, and heard at the other end before anything is timed.
Result<Pair> built_pair(World &world, System system, bool mtu_wire)
{
    TRY_ASSIGN(Pair pair, build_pair(world, system, mtu_wire));
    const Awake first(pair.ends[0]), second(pair.ends[1]);
    TRY(sh_in(pair.ends[0].container,
              fmt::format("ping -q -c 3 -i 0.2 -w 5 {}", pair.ends[1].words.container)));
    return pair;
}

void run(Harness &harness, const Suite &)
{
    for (const bool mtu_wire : {false, true}) {
        const auto all = groups(mtu_wire);
        if (std::ranges::none_of(all, [&](const Group &g) { return harness.wants_any(g.cases); }))
            continue;
        World world(harness.options().xvtep);
        std::map<System, Pair> pairs;
        for (const System system : harness.here(all_systems())) {
            if (system == System::wire || stopping())
                continue;
            auto pair = built_pair(world, system, mtu_wire);
            if (pair)
                pairs.emplace(system, std::move(*pair));
            else
                harness.fail(all[0].cases[0], system, pair.error().message());
        }
        for (const auto &group : all) {
            if (!harness.wants_any(group.cases) || stopping())
                continue;
            std::vector<Contender> contenders;
            for (const auto &[system, pair] : pairs)
                contenders.push_back({system, [&harness, &group, &pair = pair] {
                                          const Awake first(pair.ends[0]), second(pair.ends[1]);
                                          return group.round(pair, harness.options());
                                      }});
            harness.in_turn(group.cases, contenders);
        }
    }
}

} // namespace

Suite traffic_suite()
{
    Suite suite{"traffic", {}, run};
    for (const bool mtu_wire : {false, true})
        for (const auto &group : groups(mtu_wire))
            suite.cases.insert(suite.cases.end(), group.cases.begin(), group.cases.end());
    return suite;
}

} // namespace xvtep::bench
