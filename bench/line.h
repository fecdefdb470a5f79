// SPDX-License-Identifier: GPL-2.0-only
// One system between a generator and a sink, in one of the two directions.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "bench/generator.h"
#include "bench/harness.h"
#include "bench/sinks.h"

namespace xvtep::bench {

enum class Direction { in, out }; // underlay to container, and back

struct Line {
    Direction direction = Direction::in;
    Station station;
    Sink sink;
    std::string sink_netns, sink_device;
    Hook hook = Hook::tc;

    // The frame that the container sends or gets; without VXLAN.
    [[nodiscard]] Frame inner(std::size_t size) const;
    [[nodiscard]] Result<Generator> generator(std::size_t size, Variety variety) const;
    // That some frames arrive, all of them and none twice, and as they have to be.
    [[nodiscard]] Result<> check(std::size_t size, Variety variety = {});
};

// Puts the sink where the frames end. The sink of the wire alone is always XDP at the first port.
Result<Line> line_of(Station station, Direction direction, Hook hook);
Result<Line> build_line(World &world, System system, Direction direction, Hook hook,
                        const EndWords &words = {});

// Of every system that is wanted and in `only`; those that fail are reported as such in `about`.
std::map<System, Line> build_lines(Harness &harness, World &world, const Case &about,
                                   const std::vector<System> &only, Direction direction, Hook hook,
                                   const EndWords &words = {});

// Frames at the sink, in millions a second, rounds in turn. Those that fail the check are out.
void measure_lines(Harness &harness, const Case &about, std::map<System, Line> &lines,
                   std::size_t size, Variety variety = {});

// A contender for Harness::in_turn: rounds of about the options' length.
// `least` frames, however long they take; each becomes at most `copies`.
Contender rate_of(const Harness &harness, const Line &line, Generator source,
                  unsigned least = 20'000, unsigned copies = 1);

// One more of these where `made` and its source are well; else the system fails the case.
void contend(Harness &harness, const Case &about, std::vector<Contender> &contenders,
             const Line &line, const Result<> &made, const Result<Generator> &source,
             unsigned least = 20'000, unsigned copies = 1);

} // namespace xvtep::bench
