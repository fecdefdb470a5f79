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

// One stream to another address than the container's.
Round stream_to(const std::string &address)
{
    return [address](const Pair &pair, const Options &o) -> Result<std::vector<double>> {
        auto r = route(pair, o.core, o.other_core);
        r.address = address;
        TRY_ASSIGN(const auto got, tcp_streams(r, 1, 2 * o.seconds));
        return std::vector{got.gbit};
    };
}

Round datagrams(const Datagrams &kind)
{
    return [kind](const Pair &pair, const Options &o) -> Result<std::vector<double>> {
        TRY_ASSIGN(const double rate,
                   udp_datagrams(route(pair, o.core, o.other_core), kind, o.seconds));
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

// A tunnel of the containers' own.
Result<> nest(const Pair &pair)
{
    for (const int n : {0, 1}) {
        const auto &w = pair.ends[n].words;
        TRY(ip_batch(pair.ends[n].container,
                     fmt::format("link add nested mtu 1400 type vxlan id 7 dstport 4789 local {} "
                                 "remote {} dev eth0 noudpcsum nolearning\n"
                                 "link set nested up\naddr add 10.70.0.{}/24 dev nested",
                                 w.container, w.other_container, n + 1)));
    }
    return {};
}

// BIG TCP takes IPv6, and packets of more than 64 KB at both ends of the containers' wires.
Result<> enlarge(const Pair &pair)
{
    for (const int n : {0, 1}) {
        const auto &end = pair.ends[n];
        const std::string large = "gso_max_size 150000 gro_max_size 150000";
        TRY(ip(end.host, fmt::format("link set {} {}", end.words.port, large)));
        // Without an address of the link's own nothing speaks but what is measured.
        TRY(ip(end.container, fmt::format("link set eth0 {} addrgenmode none", large)));
        TRY(sh_in(end.container, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 "
                                 "net.ipv6.conf.eth0.disable_ipv6=0"));
        TRY(ip_batch(end.container,
                     fmt::format("addr add fd20::{}/64 dev eth0 nodad\n"
                                 "neigh replace fd20::{} lladdr {} dev eth0 nud permanent",
                                 n + 1, 2 - n, end.words.other_mac.text())));
    }
    return {};
}

struct Group {
    std::vector<Case> cases; // the figures of one round
    Round round;
    Result<> (*prepare)(const Pair &pair) = nullptr; // what the groups before it have not
    bool bare = true; // carried by programs that do no more than put headers on
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
    all.push_back({{{"udp-64", "kpps", true, "UDP, 64 bytes of payload, one sender"}},
                   datagrams({.size = 64})});
    all.push_back({{{"udp-1400", "kpps", true, "UDP, 1400 bytes of payload, one sender"}},
                   datagrams({.size = 1400})});
    all.push_back({{{"tcp-rr-p50", "us", false, "round trip of one byte, median"},
                    {"tcp-rr-p99", "us", false, "round trip of one byte, 99th percentile"}},
                   request_response});
    all.push_back({{{"tcp-crr", "k/s", true, "connections made, used for a byte each way, ended"}},
                   connect_request_response});
    // 46 are the most that a packet of 64 KB takes.
    all.push_back({{{"udp-gso", "kpps", true, "UDP, 46 of 1400 bytes of payload in a GSO packet"}},
                   datagrams({.size = 1400, .burst = 46}),
                   nullptr,
                   false});
    all.push_back({{{"udp-gso-gro", "kpps", true, "the same to a socket that takes GRO packets"}},
                   datagrams({.size = 1400, .burst = 46, .merged = true}),
                   nullptr,
                   false});
    all.push_back(
        {{{"nested", "Gbit/s", true, "TCP, 1 stream, in a vxlan tunnel of the containers'"}},
         stream_to("10.70.0.2"),
         nest,
         false});
    all.push_back(
        {{{"tcp-1-big", "Gbit/s", true, "TCP, 1 stream, IPv6, packets of up to 150,000 bytes"}},
         stream_to("fd20::2"),
         enlarge,
         false});
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

Result<> prepared(const Group &group, const Pair &pair)
{
    const Awake first(pair.ends[0]), second(pair.ends[1]);
    return group.prepare(pair);
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
            for (const auto &[system, pair] : pairs) {
                if (system == System::bare && !group.bare)
                    continue;
                if (group.prepare != nullptr)
                    if (const auto ready = prepared(group, pair); !ready) {
                        harness.fail(group.cases[0], system, ready.error().message());
                        continue;
                    }
                contenders.push_back({system, [&harness, &group, &pair = pair] {
                                          const Awake first(pair.ends[0]), second(pair.ends[1]);
                                          return group.round(pair, harness.options());
                                      }});
            }
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
