// SPDX-License-Identifier: GPL-2.0-only
// Broadcasts as destinations grow in number.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bench/check.h"
#include "bench/entries.h"
#include "bench/line.h"
#include "bench/shell.h"
#include "xvtep/ip.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 16, 128, 512};

Case flood_case(unsigned n)
{
    return {fmt::format("flood-{}", n), "Mpps", true,
            fmt::format("copies of 64-byte broadcasts of a container to {} VTEPs", n)};
}

std::string destination(unsigned n)
{
    return n == 0 ? there : fmt::format("10.99.{}.{}", n / 250, 1 + n % 250);
}

Result<> add_destinations(const World &world, const End &end, unsigned from, unsigned to)
{
    std::string text;
    for (unsigned n = from; n < to; n++)
        text += fmt::format("fdb append 00:00:00:00:00:00 dev vxlan0 dst {}{}\n", destination(n),
                            end.system == System::xvtep ? "" : " self permanent");
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string program = end.system == System::xvtep ? world.xvtep() : "bridge";
    TRY(sh(fmt::format("{} -n {} -batch {}", program, end.host, file.path())));
    return {};
}

// What one softirq sends of copies has to fit into the queue at the wire's far end, which holds a
// thousand, or most are lost there.
Result<Generator> flood_source(const Line &line, unsigned count, bool marks)
{
    TRY_ASSIGN(auto source, line.generator(64, {.marks = marks}));
    source.in_batches_of(std::clamp(512 / count, 1U, 64U));
    return source;
}

// 64 broadcasts: one copy of each for each destination.
Result<> check_flood(const Line &line, unsigned count)
{
    std::map<Ip, std::size_t> places;
    for (unsigned n = 0; n < count; n++)
        places[*Ip::parse(destination(n))] = n;
    TRY_ASSIGN(auto source, flood_source(line, count, true));
    const unsigned at_once = std::clamp(4096 / count, 1U, 64U); // what a sink can keep
    Sink sink = line.sink;
    for (unsigned sent = 0; sent < 64; sent += at_once) {
        sink.keep();
        TRY(source.send(at_once));
        TRY_ASSIGN(const auto arrivals, sink.kept(at_once * count));
        TRY(each_once(
            line.station.end.system, arrivals, at_once * count, [&](const Arrival &a) -> Known {
                const auto number = number_of(a.frame, outer_size);
                if (number == ~0U)
                    return std::unexpected("a frame that is too short");
                const Ip to = Ip::from_bytes(a.frame.data() + 30, 4);
                const auto at = places.find(to);
                if (at == places.end())
                    return std::unexpected("a copy to " + to.text());
                const auto wrong = wrong_vxlan(a.frame, marked(line.inner(64), number), to.text());
                if (!wrong.empty())
                    return std::unexpected(wrong);
                return number * count + at->second;
            }));
    }
    return {};
}

void run(Harness &harness, const Suite &suite)
{
    if (!harness.wants_any(suite.cases))
        return;
    World world(harness.options().xvtep);
    EndWords words;
    words.mode = "tc";
    words.other_mac = Mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    words.flood = true;
    auto lines = build_lines(harness, world, flood_case(1), {System::xvtep, System::kernel},
                             Direction::out, Hook::tc, words);
    unsigned have = 1; // the other end
    for (auto at = lines.begin(); at != lines.end();) {
        // Without GRO the queue of the wire's far end holds a thousand packets, with it 256.
        const auto routed =
            sh(fmt::format("ip -n {} route add 10.99.0.0/16 via {} && "
                           "ip netns exec {} ethtool -K w gro off",
                           at->second.station.end.host, there, at->second.station.far));
        if (!routed)
            harness.fail(flood_case(1), at->first, routed.error().message());
        at = routed ? std::next(at) : lines.erase(at);
    }
    for (const unsigned count : counts) {
        const Case about = flood_case(count);
        if (stopping() || !harness.wants(about.name))
            continue;
        std::vector<Contender> contenders;
        for (auto &[system, line] : lines) {
            auto made = add_destinations(world, line.station.end, have, count);
            if (made)
                made = checked([&, &l = line] { return check_flood(l, count); });
            contend(harness, about, contenders, line, made, flood_source(line, count, false),
                    std::max(100U, 20'000 / count), count);
        }
        have = count;
        harness.in_turn({about}, contenders);
    }
}

} // namespace

Suite floods_suite()
{
    Suite suite{"floods", {}, run};
    for (const unsigned n : counts)
        suite.cases.push_back(flood_case(n));
    return suite;
}

} // namespace xvtep::bench
