// SPDX-License-Identifier: GPL-2.0-only
// Decides what a miss, an answer, a change in the directory, and the age of an entry lead to. It
// owns all that is known of remote endpoints: the cache, the negative cache, the pending look-ups,
// and the changes that wait to be written.
#pragma once

#include <optional>
#include <vector>

#include "user/agent/cache.h"
#include "user/agent/host.h"
#include "user/agent/ip_moves.h"
#include "user/agent/log_once.h"
#include "user/agent/metrics.h"
#include "user/agent/negative_cache.h"
#include "user/agent/own_endpoints.h"
#include "user/agent/pending.h"
#include "user/agent/table_writer.h"

namespace xvtep::agent {

struct ResolverOptions {
    LookupOptions lookups;
    NegativeCacheOptions negative;
    std::size_t ip_moves_most = 65536; // IPs of which the MAC is remembered; see ip_moves.h
};

class Resolver : private PendingLookups::Client {
  public:
    using Time = Timers::Time;

    // `client` hears of the records that are in the tables.
    Resolver(Timers &timers, Host &host, Metrics &metrics, const OwnEndpoints &own,
             TableWriter::Client &client, ResolverOptions options);

    void use(Directory &directory);
    // Forgets the keys of VNIs that no VTEP has any more.
    void set_vteps(std::vector<VtepInfo> vteps);
    [[nodiscard]] bool serves(std::uint32_t vni) const;
    // Takes over the entries that an earlier agent wrote to the tables.
    void adopt();

    // The data path missed a key of a VNI that is served.
    void missed(const Key &key, Time when);
    // The directory has another record of the key now, or none. `claimed`: of one of our endpoints.
    void changed(const Key &key, const std::optional<Record> &record, bool claimed);
    // Looks all cached keys up again.
    void resync();
    // An endpoint here announces the IP itself.
    void heard(const Key &ip, const Mac &mac) { ip_moves_.note(ip, mac); }

    // Writes what waits. Returns whether anything is cached.
    bool flush();
    // Forgets and renews entries after the tables of a VTEP were read at the time `read`.
    void expire(const VtepInfo &vtep, const TableCopy &tables, Time read);
    void forget_old();

    [[nodiscard]] std::size_t cached() const { return cache_.size(); }

  private:
    [[nodiscard]] bool is_cached(const Key &key) const override { return cache_.contains(key); }
    void looked_up(const Key &key, std::optional<Time> missed,
                   const Directory::Answer &answer) override;

    bool check(const Key &key, const Record &record);
    void store(const Key &key, const Record &record, WriteReason reason);
    void remove_if_here(const Key &key, const Record &record);
    void write(const Cache::Changes &changes, const WriteReason &reason = {});

    Timers &timers_;
    Host &host_;
    Metrics &metrics_;
    const OwnEndpoints &own_;
    Directory *directory_ = nullptr;
    std::vector<VtepInfo> vteps_;
    LogOnce log_once_;
    Cache cache_;
    NegativeCache negative_;
    IpMoves ip_moves_;
    PendingLookups lookups_;
    TableWriter writer_;
};

} // namespace xvtep::agent
