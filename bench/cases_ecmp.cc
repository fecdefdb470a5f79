// SPDX-License-Identifier: GPL-2.0-only
// Frames from a container to one remote VTEP over two uplinks: how many, and how evenly.
#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "bench/check.h"
#include "bench/line.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr std::size_t size = 64;
constexpr Variety flows{.flows = 64};

Suite suite_of(void (*run)(Harness &harness, const Suite &suite))
{
    return {"ecmp",
            {{"ecmp-64", "Mpps", true,
              "64-byte frames of a container, 64 flows to one VTEP by two next hops, TC sinks"},
             {"ecmp-share", "%", true, "the same: the smaller uplink's share"}},
            run};
}

// The VTEP's address is on `lo`, and the wires have networks of their own.
Result<> address(const std::string &host, const std::string &far)
{
    std::string lines = fmt::format("addr add {}/32 dev lo\n", here), route;
    for (const auto &[device, there_device, net] :
         {std::tuple("u", "w", "192.168.10."), std::tuple("u2", "w2", "192.168.11.")}) {
        TRY_ASSIGN(const Mac mac, mac_of(far, there_device));
        lines += fmt::format("addr add {0}1/24 dev {1}\n"
                             "neigh replace {0}2 lladdr {2} dev {1} nud permanent\n",
                             net, device, mac.text());
        route += fmt::format(" nexthop via {}2 dev {}", net, device);
    }
    TRY(ip_batch(host, fmt::format("{}route add {}{}", lines, there, route)));
    // By the outer UDP ports, too, where the kernel decides.
    TRY(sh_in(host, "sysctl -qw net.ipv4.fib_multipath_hash_policy=1"));
    return {};
}

Result<Line> build(World &world, System system)
{
    Station station;
    TRY_SET(station.far, world.host(std::string(name_of(system)) + "-f"));
    TRY_ASSIGN(const std::string host, world.host(std::string(name_of(system)) + "-h"));
    TRY(World::wire(station.far, "w", host, "u"));
    TRY(World::wire(station.far, "w2", host, "u2"));
    TRY(address(host, station.far));
    EndWords words;
    words.more_underlays = {"u2"};
    words.routed = true;
    words.mode = words.port_mode = "tc";
    TRY_SET(station.end, build_end(world, system, host, words));
    TRY(set_gro(host, "u2"));
    TRY(set_gro(station.far, "w2"));
    return line_of(std::move(station), Direction::out, Hook::tc);
}

// Each frame arrives by one of the wires, whose counters are one here.
Result<> check(Line &line)
{
    TRY(line.sink.put(line.station.far, "w2", Hook::tc));
    return checked([&] { return line.check(size, flows); });
}

Result<Contender> contender(const Harness &harness, Line &line)
{
    TRY(check(line));
    TRY_ASSIGN(const auto second, Sink::open());
    TRY(Sink(second).put(line.station.far, "w2", Hook::tc));
    TRY_ASSIGN(auto source, line.generator(size, flows));
    const Options &options = harness.options();
    const System system = line.station.end.system;
    return Contender{system,
                     [&options, system, source, first = line.sink, second,
                      frames = 20'000U]() mutable -> Result<std::vector<double>> {
                         const Pinned pinned(options.core);
                         const auto before = std::pair(first.counted(), second.counted());
                         TRY_ASSIGN(const auto took, source.send(frames));
                         const auto one = static_cast<double>(first.counted() - before.first),
                                    other = static_cast<double>(second.counted() - before.second);
                         if (took.count() <= 0 || one + other <= 0)
                             return system_failure("time frames of", name_of(system), "too few");
                         frames = std::max(20'000U, static_cast<unsigned>(frames / took.count() *
                                                                          options.seconds));
                         return std::vector{(one + other) / took.count() / 1e6,
                                            100 * std::min(one, other) / (one + other)};
                     }};
}

void run(Harness &harness, const Suite &suite)
{
    if (!harness.wants_any(suite.cases) || stopping())
        return;
    World world(harness.options().xvtep);
    std::vector<Contender> contenders;
    for (const System system : harness.here({System::xvtep, System::kernel})) {
        auto line = build(world, system);
        auto made =
            line ? contender(harness, *line) : Result<Contender>(std::unexpected(line.error()));
        if (made)
            contenders.push_back(std::move(*made));
        else
            for (const Case &about : suite.cases)
                harness.fail(about, system, made.error().message());
    }
    harness.in_turn(suite.cases, contenders);
}

} // namespace

Suite ecmp_suite()
{
    return suite_of(run);
}

} // namespace xvtep::bench
