// SPDX-License-Identifier: GPL-2.0-only
#include "bench/line.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bench/check.h"
#include "bench/ovs.h"

namespace xvtep::bench {

Frame Line::inner(std::size_t size) const
{
    const auto &w = station.end.words;
    return direction == Direction::in
               ? plain_frame(w.mac, w.other_mac, container_there, container_here, size)
               : plain_frame(w.other_mac, w.mac, container_here, container_there, size);
}

Result<Generator> Line::generator(std::size_t size, Variety variety) const
{
    if (direction == Direction::out)
        return Generator::open(station.end.container, "eth0", inner(size), false, variety);
    const bool vxlan = station.end.system != System::no_tunnel;
    TRY_ASSIGN(const Mac port, mac_of(station.end.host, station.end.words.underlay));
    return Generator::open(station.far, "w", vxlan ? in_vxlan(inner(size), port) : inner(size),
                           vxlan, variety);
}

namespace {

// What was left to chance, as it came out. `skip`, `got_skip`: what is before the inner frame.
void copy_varied(Frame &frame, std::size_t skip, const Frame &got, std::size_t got_skip,
                 const Variety &variety)
{
    constexpr std::size_t mac = 3, port = 34;
    const auto copy = [&](std::size_t to, std::size_t from, std::size_t size) {
        std::memcpy(frame.data() + to, got.data() + from, size);
    };
    if (variety.macs != 0)
        copy(skip + mac, got_skip + mac, 3);
    if (variety.flows != 0)
        copy(skip + port, got_skip + port, 2);
    if (variety.flows != 0 && skip != 0)
        copy(port, port, 2); // the outer one
}

} // namespace

Result<> Line::check(std::size_t size, Variety variety)
{
    constexpr std::size_t frames = 64;
    const Awake awake(station.end);
    variety.marks = true;
    TRY_ASSIGN(auto source, generator(size, variety));
    sink.keep();
    TRY(source.send(frames));
    TRY_ASSIGN(const auto arrivals, sink.kept(frames));
    const System system = station.end.system;
    const bool wire = system == System::wire, in = direction == Direction::in;
    const bool in_tunnel = wire ? in : !in && system != System::no_tunnel; // when it arrives
    const std::size_t outer = in_tunnel ? outer_size : 0;
    return each_once(system, arrivals, frames, [&](const Arrival &arrival) -> Known {
        const Frame &got = arrival.frame;
        const auto number = number_of(got, outer);
        if (number >= frames)
            return std::unexpected("a frame that was not sent");
        Frame sent = marked(wire ? source.frame() : inner(size), number, vni, wire ? outer : 0);
        copy_varied(sent, wire ? outer : 0, got, outer, variety);
        const std::string wrong =
            in_tunnel && !wire ? wrong_vxlan(got, sent) : difference(got, sent);
        if (!wrong.empty())
            return std::unexpected(wrong);
        return number;
    });
}

Result<Line> line_of(Station station, Direction direction, Hook hook)
{
    TRY_ASSIGN(auto sink, Sink::open());
    const auto &words = station.end.words;
    Line line{.direction = direction,
              .station = station,
              .sink = sink,
              .sink_netns = {},
              .sink_device = {},
              .hook = hook};
    const bool in = direction == Direction::in;
    if (station.end.system == System::wire) {
        line.sink_netns = station.end.host;
        line.sink_device = in ? words.underlay : words.port;
        line.hook = Hook::xdp;
    } else {
        line.sink_netns = in ? station.end.container : station.far;
        line.sink_device = in ? "eth0" : "w";
    }
    // veth takes XDP frames only where its NAPI runs; the same for all, and no peer is slower by
    // it.
    TRY(set_gro(line.sink_netns, line.sink_device));
    TRY(set_gro(station.end.host, words.port));
    TRY(line.sink.put(line.sink_netns, line.sink_device, line.hook));
    return line;
}

Result<Line> build_line(World &world, System system, Direction direction, Hook hook,
                        const EndWords &words)
{
    TRY_ASSIGN(auto station, build_station(world, system, words));
    return line_of(std::move(station), direction, hook);
}

std::map<System, Line> build_lines(Harness &harness, World &world, const Case &about,
                                   const std::vector<System> &only, Direction direction, Hook hook,
                                   const EndWords &words)
{
    std::map<System, Line> lines;
    for (const System system : harness.here(only)) {
        if (stopping())
            break;
        auto line = build_line(world, system, direction, hook, words);
        if (line)
            lines.emplace(system, std::move(*line));
        else
            harness.fail(about, system, line.error().message());
    }
    return lines;
}

Contender rate_of(const Harness &harness, const Line &line, Generator source, unsigned least,
                  unsigned copies)
{
    auto frames = std::make_shared<unsigned>(least);
    const Options &options = harness.options();
    return {line.station.end.system,
            [&options, end = line.station.end, source, sink = line.sink, frames, least,
             copies]() mutable -> Result<std::vector<double>> {
                const Awake awake(end);
                const Pinned pinned(options.core);
                const auto before = sink.counted();
                TRY_ASSIGN(const auto took, source.send(*frames));
                if (took.count() <= 0)
                    return system_failure("time frames of", name_of(end.system), "too few");
                const auto arrived = static_cast<double>(sink.counted() - before);
                if (arrived > static_cast<double>(*frames) * copies + 100)
                    return system_failure("count frames of", name_of(end.system),
                                          "more came than were sent");
                *frames = std::max(least,
                                   static_cast<unsigned>(*frames / took.count() * options.seconds));
                return std::vector{arrived / took.count() / 1e6};
            }};
}

void contend(Harness &harness, const Case &about, std::vector<Contender> &contenders,
             const Line &line, const Result<> &made, const Result<Generator> &source,
             unsigned least, unsigned copies)
{
    if (made && source)
        contenders.push_back(rate_of(harness, line, *source, least, copies));
    else
        harness.fail(about, line.station.end.system,
                     (made ? source.error() : made.error()).message());
}

void measure_lines(Harness &harness, const Case &about, std::map<System, Line> &lines,
                   std::size_t size, Variety variety)
{
    std::vector<Contender> contenders;
    for (auto &[system, line] : lines) {
        const auto good = checked([&, &l = line] { return l.check(size, variety); });
        contend(harness, about, contenders, line, good, line.generator(size, variety));
    }
    harness.in_turn({about}, contenders);
}

} // namespace xvtep::bench
