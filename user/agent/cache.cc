// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/cache.h"

namespace xvtep::agent {
namespace {

Key mac_key(const Record &record)
{
    return {record.vni, record.mac};
}

Record without_ip(Record record)
{
    record.ip.reset();
    return record;
}

bool is_agents(const FdbEntry &entry)
{
    return entry.state == FdbState::dynamic && !entry.learned;
}

// Whether frames were sent to the entry since it was last written. Both ages are in whole seconds.
bool is_in_use(const FdbEntry &entry)
{
    return entry.used + 1 < entry.updated;
}

} // namespace

Cache::Changes Cache::store(const Key &key, const Record &record, Time now)
{
    Changes changes;
    const Key mac = mac_key(record);
    if (const auto before = entries_.find(key);
        before != entries_.end() && before->second.record.mac != record.mac)
        release(mac_key(before->second.record), key, changes);
    auto &entry = entries_[mac];
    entry.record = without_ip(record);
    entry.sources.insert(key);
    entry.written = now;
    if (key != mac)
        entries_[key] = {record, {key}, now};
    changes.push_back({key, record});
    return changes;
}

Cache::Changes Cache::remove(const Key &key)
{
    Changes changes;
    const auto found = entries_.find(key);
    if (found == entries_.end())
        return changes;
    const Key mac = mac_key(found->second.record);
    if (key != mac) {
        entries_.erase(found);
        changes.push_back({key, std::nullopt});
    }
    release(mac, key, changes);
    return changes;
}

Cache::Changes Cache::remove_with_mac(const Key &key, const Record &record)
{
    Changes changes = remove(key);
    if (entries_.erase(mac_key(record)) != 0)
        changes.push_back({mac_key(record), std::nullopt});
    return changes;
}

// Removes the MAC's entry if no key but `source` named the MAC.
void Cache::release(const Key &mac, const Key &source, Changes &changes)
{
    const auto found = entries_.find(mac);
    if (found == entries_.end())
        return;
    found->second.sources.erase(source);
    if (!found->second.sources.empty())
        return;
    entries_.erase(found);
    changes.push_back({mac, std::nullopt});
}

std::optional<Change> Cache::rewrite(const Key &key, Time now)
{
    const auto found = entries_.find(key);
    if (found == entries_.end())
        return std::nullopt;
    found->second.written = now;
    Record record = found->second.record;
    if (const auto mac = entries_.find(mac_key(record)); mac != entries_.end()) {
        mac->second.written = now;
        record.vtep = mac->second.record.vtep; // newer, if the MAC has moved since
        record.port = mac->second.record.port;
    }
    return Change{key, record};
}

void Cache::keep_only(const std::set<std::uint32_t> &vnis)
{
    std::erase_if(entries_, [&](const auto &entry) { return !vnis.contains(entry.first.vni); });
}

void Cache::adopt(std::uint32_t vni, const std::vector<FdbEntry> &fdb,
                  const std::vector<NeighEntry> &neighbours)
{
    for (const auto &entry : fdb) {
        if (!is_agents(entry) || entry.mac.is_zero() || entry.mac.is_multicast())
            continue;
        const Record record{vni, entry.mac, std::nullopt, entry.dst, entry.port};
        entries_.try_emplace(mac_key(record), Entry{record, {mac_key(record)}});
    }
    for (const auto &neighbour : neighbours) {
        const auto mac = entries_.find(Key{vni, neighbour.mac});
        if (neighbour.state != NeighState::reachable || mac == entries_.end())
            continue;
        const Key key{vni, neighbour.ip};
        Record record = mac->second.record;
        record.ip = neighbour.ip;
        entries_.try_emplace(key, Entry{record, {key}});
        mac->second.sources.insert(key);
    }
}

std::vector<Key> Cache::expire(const VtepInfo &vtep, const TableCopy &tables, Time read)
{
    std::vector<Key> to_renew;
    // A VNI's MACs sort before its IPs, so the MAC of an IP has been looked at before the IP.
    for (auto at = entries_.lower_bound(Key{vtep.vni, Mac{}});
         at != entries_.end() && at->first.vni == vtep.vni;) {
        const auto &[key, entry] = *at;
        if (entry.written >= read) {
            ++at;
            continue;
        }
        const auto fdb = tables.fdb.find(entry.record.mac);
        const bool is_there = fdb != tables.fdb.end() && is_agents(fdb->second) &&
                              entries_.contains(mac_key(entry.record));
        if (!is_there) {
            at = entries_.erase(at);
            continue;
        }
        auto lifetime = vtep.ageing;
        auto age = fdb->second.updated;
        if (const auto *ip = std::get_if<Ip>(&key.what)) {
            const auto neighbour = tables.neighbours.find(*ip);
            lifetime = vtep.reachable_time;
            age = neighbour == tables.neighbours.end() ? 0 : neighbour->second;
        }
        if (lifetime != 0 && age >= lifetime / 2 && age > 0 && is_in_use(fdb->second))
            to_renew.push_back(key);
        ++at;
    }
    return to_renew;
}

std::set<Key> Cache::sources() const
{
    std::set<Key> keys;
    for (const auto &[key, entry] : entries_)
        if (entry.sources.contains(key))
            keys.insert(key);
    return keys;
}

bool Cache::is_source(const Key &key) const
{
    const auto found = entries_.find(key);
    return found != entries_.end() && found->second.sources.contains(key);
}

} // namespace xvtep::agent
