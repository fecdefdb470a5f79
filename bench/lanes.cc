// SPDX-License-Identifier: GPL-2.0-only
#include "bench/lanes.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "bench/shell.h"

namespace xvtep::bench {
namespace {

using Clock = std::chrono::steady_clock;

// What one lane sends with, and how many.
struct Source {
    Generator generator;
    Sink sink;
    int core;
    unsigned frames = 100'000;
};

struct Window {
    double seconds = 0, arrived = 0;
};

bool started(const Source &source)
{
    return source.generator.sent() > 0;
}
bool finished(const Source &source)
{
    return source.generator.sent() >= source.frames;
}

double sum(const std::vector<Source> &sources)
{
    double all = 0;
    for (const auto &source : sources)
        all += static_cast<double>(source.sink.counted());
    return all;
}

// What arrives from when the last has started until the first is done, or `seconds` later.
Window watch(const std::vector<Source> &sources, double seconds)
{
    const auto nap = std::chrono::milliseconds(1);
    for (const auto limit = Clock::now() + std::chrono::seconds(5);
         !std::ranges::all_of(sources, started);) {
        if (Clock::now() > limit)
            return {};
        std::this_thread::sleep_for(nap);
    }
    Window window;
    const double before = sum(sources);
    const auto start = Clock::now();
    while (window.seconds < seconds) {
        std::this_thread::sleep_for(nap);
        const double after = sum(sources);
        const std::chrono::duration<double> took = Clock::now() - start;
        if (std::ranges::any_of(sources, finished))
            break; // the last look was the last while all ran
        window = {.seconds = took.count(), .arrived = after - before};
    }
    return window;
}

Result<Window> send_together(std::vector<Source> &sources, double seconds)
{
    std::vector<std::optional<Error>> errors(sources.size());
    std::vector<std::thread> threads;
    for (std::size_t n = 0; n < sources.size(); n++) {
        sources[n].generator.forget();
        threads.emplace_back([&source = sources[n], &error = errors[n]] {
            const Pinned pinned(source.core);
            if (const auto sent = source.generator.send(source.frames); !sent)
                error = sent.error();
        });
    }
    const Window window = watch(sources, seconds);
    for (auto &thread : threads)
        thread.join();
    for (const auto &error : errors)
        if (error)
            return std::unexpected(*error);
    return window;
}

} // namespace

Result<std::vector<Line>> build_lanes(World &world, System system, unsigned count)
{
    const std::string name = name_of(system);
    TRY_ASSIGN(const std::string host, world.host(name + "-h"));
    std::vector<std::string> far(count);
    std::vector<EndWords> words(count);
    for (unsigned n = 0; n < count; n++) {
        EndWords &w = words[n];
        if (n > 0) {
            w.underlay += std::to_string(n);
            w.port += std::to_string(n);
            w.container = fmt::format("10.20.1.{}", 20 + n);
            w.mac = Mac{{2, 0, 0, 0, 1, static_cast<std::uint8_t>(n)}};
            words[0].more_underlays.push_back(w.underlay);
        }
        TRY_SET(far[n], world.host(name + "-f"));
        TRY(World::wire(far[n], "w", host, w.underlay));
        TRY_SET(w.next_hop, mac_of(far[n], "w"));
    }
    // All ports are the way to one address.
    TRY(ip_batch(host, fmt::format("addr add {0}/32 dev lo\nroute add {1} dev u src {0}\n"
                                   "neigh replace {1} lladdr {2} dev u nud permanent",
                                   here, there, words[0].next_hop.text())));
    TRY(sh_in(host, "sysctl -q net.ipv4.conf.all.rp_filter=0"));
    std::vector<Line> lanes;
    for (unsigned n = 0; n < count; n++) {
        TRY_ASSIGN(const End end, n == 0 ? build_end(world, system, host, words[0])
                                         : add_container(world, lanes[0].station.end, words[n]));
        TRY_ASSIGN(Line line, line_of({.end = end, .far = far[n]}, Direction::in, Hook::tc));
        lanes.push_back(std::move(line));
    }
    return lanes;
}

Result<Contender> rate_together(const Harness &harness, const std::vector<Line> &lanes,
                                unsigned count)
{
    std::vector<Source> sources;
    for (unsigned n = 0; n < count; n++) {
        TRY_ASSIGN(auto generator, lanes[n].generator(64, {}));
        sources.push_back(
            {.generator = generator, .sink = lanes[n].sink, .core = static_cast<int>(n)});
    }
    const System system = lanes[0].station.end.system;
    const double seconds = harness.options().seconds;
    return Contender{system, [system, seconds, sources]() mutable -> Result<std::vector<double>> {
                         for (int tries = 0; tries < 12; tries++) {
                             TRY_ASSIGN(const Window window, send_together(sources, seconds));
                             if (window.seconds >= 0.8 * seconds)
                                 return std::vector{window.arrived / window.seconds / 1e6};
                             for (auto &source : sources)
                                 source.frames *= 2;
                         }
                         return system_failure("send on all lanes of", name_of(system),
                                               "never all at once");
                     }};
}

} // namespace xvtep::bench
