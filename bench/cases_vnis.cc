// SPDX-License-Identifier: GPL-2.0-only
// Decapsulation as VTEPs grow in number.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bench/check.h"
#include "bench/entries.h"
#include "bench/line.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned counts[] = {1, 256, 4096};

Case vnis_case(unsigned n)
{
    return {fmt::format("vni-{}", n), "Mpps", true,
            fmt::format("64-byte frames of {} VNIs at random, to the VTEPs' devices", n)};
}

Result<> add_vnis(const World &world, const Line &line, unsigned from, unsigned to)
{
    const std::string &host = line.station.end.host;
    const bool ours = line.station.end.system == System::xvtep;
    // A command has a minute.
    for (unsigned n = from; n < to && !stopping();) {
        std::string text;
        for (const unsigned until = std::min(n + 64, to); n < until; n++)
            text += ours ? fmt::format(
                               "attach u --vni {} --name x{} --local {} --mode xdp --nolearning\n",
                               1000 + n, n, here)
                         : fmt::format("link add x{} type vxlan id {} dev u local {} dstport 4789 "
                                       "noudpcsum nolearning\n"
                                       "link set x{} up\n",
                                       n, 1000 + n, here, n);
        TRY_ASSIGN(const auto file, LineFile::write(text));
        TRY(sh(fmt::format("{} -n {} -batch {}", ours ? world.xvtep() : "ip", host, file.path())));
    }
    Sink sink = line.sink;
    for (unsigned n = from; n < to; n++)
        TRY(sink.put(host, fmt::format("x{}", n), Hook::tc));
    return {};
}

// Frames of VNIs at random: each at its own VTEP's device.
Result<> check_vnis(const Line &line, unsigned count)
{
    constexpr std::size_t frames = 64;
    std::map<int, unsigned> vni_of; // devices' indices
    for (unsigned n = 0; n < count; n++) {
        TRY_ASSIGN(const int index, index_of(line.station.end.host, fmt::format("x{}", n)));
        vni_of[index] = 1000 + n;
    }
    TRY_ASSIGN(auto source, line.generator(64, {.vnis = count, .marks = true}));
    Sink sink = line.sink;
    sink.keep();
    TRY(source.send(frames));
    TRY_ASSIGN(const auto arrivals, sink.kept(frames));
    return each_once(line.station.end.system, arrivals, frames, [&](const Arrival &a) -> Known {
        const auto number = number_of(a.frame, 0);
        const auto at = vni_of.find(a.device);
        const std::string wrong =
            at == vni_of.end() ? "a frame at another device"
                               : difference(a.frame, marked(line.inner(64), number, at->second));
        if (!wrong.empty())
            return std::unexpected(wrong);
        return number;
    });
}

void run(Harness &harness, const Suite &suite)
{
    if (!harness.wants_any(suite.cases))
        return;
    World world(harness.options().xvtep);
    auto lines = build_lines(harness, world, vnis_case(1), {System::xvtep, System::kernel},
                             Direction::in, Hook::tc);
    unsigned have = 0;
    for (const unsigned count : counts) {
        const Case about = vnis_case(count);
        if (stopping() || !harness.wants(about.name))
            continue;
        if (harness.options().quick && count > 256)
            continue;
        std::vector<Contender> contenders;
        for (auto &[system, line] : lines) {
            auto made = add_vnis(world, line, have, count);
            if (made)
                made = checked([&, &l = line] { return check_vnis(l, count); });
            contend(harness, about, contenders, line, made, line.generator(64, {.vnis = count}));
        }
        have = count;
        harness.in_turn({about}, contenders);
    }
}

} // namespace

Suite vnis_suite()
{
    Suite suite{"vnis", {}, run};
    for (const unsigned n : counts)
        suite.cases.push_back(vnis_case(n));
    return suite;
}

} // namespace xvtep::bench
