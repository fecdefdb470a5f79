// SPDX-License-Identifier: GPL-2.0-only
// The keys that the directory has answered and that are in the tables. An IP's record gives its
// MAC; the MAC has an entry of its own here and in the FDB, which says behind which VTEP it is. A
// MAC's entry stays as long as any key that was looked up names the MAC.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "user/agent/host.h"
#include "user/agent/record.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

class Cache {
  public:
    using Time = Timers::Time;
    using Changes = std::vector<Change>; // to write to the tables, in this order

    [[nodiscard]] bool contains(const Key &key) const { return entries_.contains(key); }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }

    // Stores the answer to a look-up of `key`. The changes count as written `now`.
    Changes store(const Key &key, const Record &record, Time now);
    // The directory has no record of the key any more.
    Changes remove(const Key &key);
    // The endpoint has come to this host: neither the key nor the MAC is elsewhere.
    Changes remove_with_mac(const Key &key, const Record &record);
    // The cached key as a change, to write it once more; counts as written `now`.
    std::optional<Change> rewrite(const Key &key, Time now);

    // Forgets the keys of other VNIs.
    void keep_only(const std::set<std::uint32_t> &vnis);
    // Takes over entries that an earlier agent wrote to the tables of a VTEP.
    void adopt(std::uint32_t vni, const std::vector<FdbEntry> &fdb,
               const std::vector<NeighEntry> &neighbours);
    // Compares with the tables of a VTEP as they were at the time `read`: forgets the entries that
    // have expired there. Returns the keys of entries in use that have lived half their time.
    std::vector<Key> expire(const VtepInfo &vtep, const TableCopy &tables, Time read);

    // Keys that were looked up themselves, or adopted, and so have to be looked up at a resync.
    [[nodiscard]] std::set<Key> sources() const;
    [[nodiscard]] bool is_source(const Key &key) const;

  private:
    struct Entry {
        Record record;
        std::set<Key> sources; // the looked-up keys that this entry comes from
        Time written{};
    };

    void release(const Key &mac, const Key &source, Changes &changes);

    std::map<Key, Entry> entries_;
};

} // namespace xvtep::agent
