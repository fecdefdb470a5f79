// SPDX-License-Identifier: GPL-2.0-only
// Keys that the directory does not know, or whose records were refused: they are not looked up
// again for a while.
#pragma once

#include <chrono>
#include <map>
#include <set>

#include "user/agent/record.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

struct NegativeCacheOptions {
    std::chrono::milliseconds absent_for{2000};   // a key that the directory does not know
    std::chrono::milliseconds refused_for{10000}; // a key whose record was refused
    // How long a record that the directory announces later is installed without a new miss: the
    // host that asked may have given up, but it still wants the answer.
    std::chrono::milliseconds awaited_for{5000};
    std::size_t most = 65536; // keys; when there are more (a scan), all are forgotten
};

class NegativeCache {
  public:
    using Time = Timers::Time;

    explicit NegativeCache(NegativeCacheOptions options) : options_(options) {}

    void add_absent(const Key &key, Time now) { add(key, options_.absent_for, now); }
    void add_refused(const Key &key, Time now) { add(key, options_.refused_for, now); }
    // Only awaited: the next miss looks the key up at once.
    void add_awaited(const Key &key, Time now) { add(key, {}, now); }
    // Whether a miss of the key is not to be looked up now.
    bool suppresses(const Key &key, Time now);
    // Forgets the key. Returns whether a host has asked for it lately.
    bool remove(const Key &key, Time now);

    void clear() { keys_.clear(); }
    void forget_old(Time now);
    // Forgets the keys of other VNIs.
    void keep_only(const std::set<std::uint32_t> &vnis);

  private:
    struct Absent {
        Time until{}; // not looked up before
        Time asked{}; // the last miss
    };

    void add(const Key &key, std::chrono::milliseconds time, Time now);

    const NegativeCacheOptions options_;
    std::map<Key, Absent> keys_;
};

} // namespace xvtep::agent
