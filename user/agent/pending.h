// SPDX-License-Identifier: GPL-2.0-only
// Look-ups that the directory has not answered yet: at most one for each key. A look-up that fails
// is repeated with exponential back-off.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "user/agent/directory.h"
#include "user/agent/metrics.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

struct LookupOptions {
    std::chrono::milliseconds retry_first{100}, retry_most{2000}; // pauses after a failure
    std::chrono::seconds retry_for{15}; // then the look-up ends, and the next miss begins a new one
    std::size_t most = 65536;           // further misses are dropped; the data path repeats them
    std::size_t rechecks_most = 256;    // of the look-ups, those that check a cached key again
};

class PendingLookups {
  public:
    using Time = Timers::Time;

    struct Client {
        virtual ~Client() = default;
        // A look-up of a cached key is repeated until the directory answers.
        [[nodiscard]] virtual bool is_cached(const Key &key) const = 0;
        // The look-up has ended. `missed`: when the data path missed the key, if it did. The only
        // error is EBADMSG: the directory's record was refused.
        virtual void looked_up(const Key &key, std::optional<Time> missed,
                               const Directory::Answer &answer) = 0;
    };

    PendingLookups(Timers &timers, Metrics &metrics, Client &client, LookupOptions options);
    ~PendingLookups();
    PendingLookups(const PendingLookups &) = delete;
    PendingLookups &operator=(const PendingLookups &) = delete;

    void use(Directory &directory) { directory_ = &directory; }
    // Bounds the look-ups of one VNI, so that a scan by one tenant leaves room for the others.
    void share_among(std::size_t vteps);

    // Adds a miss to the key's pending look-up. Returns false if there is none.
    bool join(const Key &key, Time missed);
    // Begins a look-up of a key that has none. Returns false if there are too many already.
    bool start(const Key &key, Time missed);

    struct Ended {
        std::optional<Time> missed;
    };
    // Ends the key's look-up; a later answer to it is ignored. Returns nothing if there is none.
    std::optional<Ended> end(const Key &key);

    // Looks the cached keys up again, some at a time.
    void recheck(const std::vector<Key> &keys);
    // The same for `keys` alone, after changes may have been missed: the answers to pending
    // look-ups may be outdated as well, so these are asked for once more.
    void resync(std::set<Key> keys);

  private:
    struct Lookup {
        std::uint64_t id = 0; // tells a late answer to an earlier look-up of the key apart
        Time first{}, last{}; // when the directory was asked
        std::optional<Time> missed{};
        unsigned attempts = 0;
        bool is_recheck = false;
        bool ask_again = false; // the next answer may be outdated
        std::optional<Timers::Timer> retry{};
    };
    using Lookups = std::map<Key, Lookup>;

    void open(const Key &key, Lookup lookup);
    void ask(const Key &key, std::uint64_t id);
    void answered(const Key &key, std::uint64_t id, const Directory::Answer &answer);
    void failed(Lookups::iterator lookup, const Error &error);
    std::optional<Time> close(Lookups::iterator lookup);
    void recheck_more();

    Timers &timers_;
    Metrics &metrics_;
    Client &client_;
    const LookupOptions options_;
    Directory *directory_ = nullptr;
    Lookups lookups_;
    std::map<std::uint32_t, std::size_t> count_of_vni_;
    std::size_t most_of_vni_;
    std::uint64_t next_id_ = 0;
    std::set<Key> to_recheck_;
    std::size_t rechecking_ = 0; // of lookups_, those with is_recheck
};

} // namespace xvtep::agent
