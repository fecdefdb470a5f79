// SPDX-License-Identifier: GPL-2.0-only
// One device for all VNIs, which the kernel has with vnifilter ("kernel-external" here), beside the
// kernel's devices one each ("kernel").
#include <fmt/format.h>

#include "bench/check.h"
#include "bench/entries.h"
#include "bench/line.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr unsigned count = 4094, first = 1000; // VNIs, from the generator's first on

const Case about{"vni-device-4094", "Mpps", true,
                 "64-byte frames of 4,094 VNIs at random, to one device; kernel: one each"};

Result<> make_each(Line &line)
{
    std::string text;
    for (unsigned n = 0; n < count; n++)
        text += fmt::format("link add x{0} up type vxlan id {1} dev u local {2} dstport 4789 "
                            "noudpcsum nolearning\n",
                            n, first + n, here);
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string &host = line.station.end.host;
    TRY(sh(fmt::format("ip -n {} -batch {}", host, file.path())));
    for (unsigned n = 0; n < count; n++)
        TRY(line.sink.put(host, fmt::format("x{}", n), Hook::tc));
    return {};
}

Result<> make_one(const World &world, Line &line)
{
    const std::string &host = line.station.end.host;
    const unsigned last = first + count - 1;
    TRY(sh(line.station.end.system == System::xvtep
               ? fmt::format("{} -n {} attach u --vni {}-{} --vlan 1-{} --name x0 --local {} "
                             "--mode xdp --nolearning",
                             world.xvtep(), host, first, last, count, here)
               : fmt::format("ip -n {0} link add x0 up type vxlan external vnifilter dev u local "
                             "{1} dstport 4789 noudpcsum nolearning && "
                             "bridge -n {0} vni add dev x0 vni {2}-{3}",
                             host, here, first, last)));
    return line.sink.put(host, "x0", Hook::tc);
}

Result<Line> make_line(World &world, System system)
{
    TRY_ASSIGN(auto station, build_station(world, System::wire));
    station.end.system = system;
    TRY_ASSIGN(auto sink, Sink::open());
    Line line{.direction = Direction::in,
              .station = station,
              .sink = sink,
              .sink_netns = {},
              .sink_device = {},
              .hook = Hook::tc};
    TRY(system == System::kernel ? make_each(line) : make_one(world, line));
    return line;
}

// That frames of all kinds of VNIs arrive once.
Result<> check(const Line &line)
{
    constexpr std::size_t frames = 64, vni_behind_number = 4;
    TRY_ASSIGN(auto source, line.generator(64, {.vnis = count, .marks = true}));
    Sink sink = line.sink;
    sink.keep();
    TRY(source.send(frames));
    TRY_ASSIGN(const auto arrivals, sink.kept(frames));
    return each_once(line.station.end.system, arrivals, frames, [&](const Arrival &a) -> Known {
        const auto number = number_of(a.frame, 0), of_vni = number_of(a.frame, vni_behind_number);
        if (of_vni < first || of_vni >= first + count)
            return std::unexpected("a frame of another VNI");
        const auto wrong = difference(a.frame, marked(line.inner(64), number, of_vni));
        if (!wrong.empty())
            return std::unexpected(wrong);
        return number;
    });
}

void run(Harness &harness, const Suite & /*suite*/)
{
    if (!harness.wants(about.name) || harness.options().quick)
        return;
    World world(harness.options().xvtep);
    std::vector<Line> lines;
    for (const System system :
         harness.here({System::xvtep, System::kernel, System::kernel_external})) {
        if (stopping())
            return;
        auto line = make_line(world, system);
        if (line)
            lines.push_back(std::move(*line));
        else
            harness.fail(about, system, line.error().message());
    }
    std::vector<Contender> contenders;
    for (const Line &line : lines)
        contend(harness, about, contenders, line, checked([&] { return check(line); }),
                line.generator(64, {.vnis = count}));
    harness.in_turn({about}, contenders);
}

} // namespace

Suite vni_device_suite()
{
    return {"vni-device", {about}, run};
}

} // namespace xvtep::bench
