// SPDX-License-Identifier: GPL-2.0-only
// Rates as tables grow: entries, VNIs, destinations of a flood.
#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/line.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned entry_counts[] = {1, 1000, 100'000, 1'000'000};
constexpr unsigned vni_counts[] = {1, 256, 4096};
constexpr unsigned flood_counts[] = {1, 16, 128, 512};
constexpr Mac first_mac{{2, 0, 1, 0, 0, 0}};

const Case share{"fdb-share-1000000", "ratio", true,
                 "rate with a million entries, of that with one"};

Case entries_case(unsigned n)
{
    return {fmt::format("fdb-{}", n), "Mpps", true,
            fmt::format("64-byte frames of a container to {} MACs at random, each an entry", n)};
}
Case vnis_case(unsigned n)
{
    return {fmt::format("vni-{}", n), "Mpps", true,
            fmt::format("64-byte frames of {} VNIs at random, to the VTEPs' devices", n)};
}
Case flood_case(unsigned n)
{
    return {fmt::format("flood-{}", n), "Mpps", true,
            fmt::format("copies of 64-byte broadcasts of a container to {} VTEPs", n)};
}

void run_entries(Harness &harness)
{
    World world(harness.options().xvtep);
    EndWords words;
    words.mode = words.port_mode = "xdp";
    words.other_mac = first_mac;
    auto lines = build_lines(harness, world, entries_case(1),
                             {System::xvtep, System::kernel, System::kernel_external},
                             Direction::out, Hook::xdp, words);
    unsigned have = 1;
    for (const unsigned count : entry_counts) {
        const Case about = entries_case(count);
        if (stopping() || (!harness.wants(about.name) && !harness.wants(share.name)))
            continue;
        // The kernel takes 20 to 50 us for each entry, twice.
        if (count > (harness.options().quick ? 1000U : 100'000U))
            lines.erase(System::kernel);
        for (auto at = lines.begin(); at != lines.end();) {
            const auto added = add_entries(world, at->second.station.end, first_mac, have, count);
            if (!added)
                harness.fail(about, at->first, added.error().message());
            at = added ? std::next(at) : lines.erase(at);
        }
        have = std::max(have, count);
        measure_lines(harness, about, lines, 64, {.macs = count});
    }
    const auto *one = harness.result("fdb-1");
    const auto *million = harness.result("fdb-1000000");
    if (one == nullptr || million == nullptr || !harness.wants(share.name))
        return;
    for (const auto &[system, rounds] : million->rounds) {
        std::vector<double> shares;
        const auto at = one->rounds.find(system);
        for (std::size_t n = 0;
             at != one->rounds.end() && n < std::min(rounds.size(), at->second.size()); n++)
            shares.push_back(rounds[n] / at->second[n]);
        harness.add(share, system, shares);
    }
}

Result<> add_vnis(const World &world, const Line &line, unsigned from, unsigned to)
{
    std::string text;
    const std::string &host = line.station.end.host;
    const bool ours = line.station.end.system == System::xvtep;
    for (unsigned n = from; n < to; n++)
        text +=
            ours ? fmt::format("attach u --vni {} --name x{} --local {} --mode xdp --nolearning\n",
                               1000 + n, n, here)
                 : fmt::format("link add x{} type vxlan id {} dev u local {} dstport 4789 "
                               "noudpcsum nolearning\n"
                               "link set x{} up\n",
                               n, 1000 + n, here, n);
    TRY_ASSIGN(const auto file, LineFile::write(text));
    TRY(sh(fmt::format("{} -n {} -batch {}", ours ? world.xvtep() : "ip", host, file.path()), 600));
    Sink sink = line.sink;
    for (unsigned n = from; n < to; n++)
        TRY(sink.count(host, fmt::format("x{}", n), Hook::tc));
    return {};
}

void run_vnis(Harness &harness)
{
    World world(harness.options().xvtep);
    auto lines = build_lines(harness, world, vnis_case(1), {System::xvtep, System::kernel},
                             Direction::in, Hook::tc);
    unsigned have = 0;
    for (const unsigned count : vni_counts) {
        const Case about = vnis_case(count);
        if (stopping() || !harness.wants(about.name))
            continue;
        if (harness.options().quick && count > 256)
            continue;
        std::vector<Contender> contenders;
        for (auto &[system, line] : lines) {
            const auto made = add_vnis(world, line, have, count);
            auto source = line.generator(64, {.vnis = count});
            if (made && source)
                contenders.push_back(rate_of(harness, line, *source));
            else
                harness.fail(about, system, (made ? source.error() : made.error()).message());
        }
        have = count;
        harness.in_turn({about}, contenders);
    }
}

Result<> add_destinations(const World &world, const End &end, unsigned from, unsigned to)
{
    std::string text;
    for (unsigned n = from; n < to; n++)
        text += fmt::format("fdb append 00:00:00:00:00:00 dev vxlan0 dst 10.99.{}.{}{}\n", n / 250,
                            1 + n % 250, end.system == System::xvtep ? "" : " self permanent");
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string program = end.system == System::xvtep ? world.xvtep() : "bridge";
    TRY(sh(fmt::format("{} -n {} -batch {}", program, end.host, file.path())));
    return {};
}

void run_floods(Harness &harness)
{
    World world(harness.options().xvtep);
    EndWords words;
    words.mode = "tc";
    words.other_mac = Mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    words.flood = true;
    auto lines = build_lines(harness, world, flood_case(1), {System::xvtep, System::kernel},
                             Direction::out, Hook::tc, words);
    unsigned have = 1; // the other end
    for (auto at = lines.begin(); at != lines.end();) {
        const auto routed =
            ip(at->second.station.end.host, fmt::format("route add 10.99.0.0/16 via {}", there));
        if (!routed)
            harness.fail(flood_case(1), at->first, routed.error().message());
        at = routed ? std::next(at) : lines.erase(at);
    }
    for (const unsigned count : flood_counts) {
        const Case about = flood_case(count);
        if (stopping() || !harness.wants(about.name))
            continue;
        std::vector<Contender> contenders;
        for (auto &[system, line] : lines) {
            const auto made = add_destinations(world, line.station.end, have, count);
            auto source = line.generator(64, {});
            if (made && source)
                contenders.push_back(
                    rate_of(harness, line, *source, std::max(100U, 20'000 / count), count));
            else
                harness.fail(about, system, (made ? source.error() : made.error()).message());
        }
        have = count;
        harness.in_turn({about}, contenders);
    }
}

void run(Harness &harness, const Suite &)
{
    const auto wanted = [&](std::span<const unsigned> counts, Case (*about)(unsigned)) {
        return !stopping() && std::ranges::any_of(
                                  counts, [&](unsigned n) { return harness.wants(about(n).name); });
    };
    if (wanted(entry_counts, entries_case) || harness.wants(share.name))
        run_entries(harness);
    if (wanted(vni_counts, vnis_case))
        run_vnis(harness);
    if (wanted(flood_counts, flood_case))
        run_floods(harness);
}

} // namespace

Suite growth_suite()
{
    Suite suite{"growth", {}, run};
    for (const unsigned n : entry_counts)
        suite.cases.push_back(entries_case(n));
    suite.cases.push_back(share);
    for (const unsigned n : vni_counts)
        suite.cases.push_back(vnis_case(n));
    for (const unsigned n : flood_counts)
        suite.cases.push_back(flood_case(n));
    return suite;
}

} // namespace xvtep::bench
