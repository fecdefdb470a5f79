// SPDX-License-Identifier: GPL-2.0-only
// The agent's counters, and their text for Prometheus. The agent's thread writes them; any thread
// may read them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace xvtep::agent {

class Histogram {
  public:
    void add(std::chrono::nanoseconds value);
    void print(std::string &text, const char *name, const char *help) const;

  private:
    // Upper bounds in seconds; the last bucket has none.
    static constexpr std::array bounds{0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01,
                                       0.02,   0.05,    0.1,    0.25,  0.5,   1.0,   2.5};
    std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts_{};
    std::atomic<std::uint64_t> nanoseconds_ = 0;
};

struct Metrics {
    using Counter = std::atomic<std::uint64_t>;

    Counter l2misses = 0, l3misses = 0, events_lost = 0;
    Counter coalesced = 0;   // misses of a key that is pending, or in the negative cache
    Counter from_memory = 0; // misses of a cached key
    Counter overloaded = 0;  // misses that were dropped: too many look-ups are pending
    Counter lookups = 0, found = 0, absent = 0, failed = 0, refused = 0;
    Counter writes = 0, removals = 0, write_errors = 0;
    Counter changes = 0, resyncs = 0;
    Counter cached = 0, pending = 0, announced = 0; // gauges
    Histogram lookup_time;                          // from look-up to answer
    Histogram miss_time; // from miss in the data path to entry in the tables

    [[nodiscard]] std::string text() const; // Prometheus' text format 0.0.4
};

} // namespace xvtep::agent
