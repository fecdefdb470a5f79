// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/resolver.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "user/agent/log.h"

namespace xvtep::agent {

Resolver::Resolver(Timers &timers, Host &host, Metrics &metrics, const OwnEndpoints &own,
                   TableWriter::Client &client, ResolverOptions options)
    : timers_(timers), host_(host), metrics_(metrics), own_(own), log_once_(timers),
      negative_(options.negative), ip_moves_(options.ip_moves_most),
      lookups_(timers, metrics, *this, options.lookups),
      writer_(timers, host, metrics, log_once_, client)
{
}

void Resolver::use(Directory &directory)
{
    directory_ = &directory;
    lookups_.use(directory);
}

void Resolver::set_vteps(std::vector<VtepInfo> vteps)
{
    vteps_ = std::move(vteps);
    std::set<std::uint32_t> vnis;
    for (const auto &vtep : vteps_)
        vnis.insert(vtep.vni);
    cache_.keep_only(vnis);
    negative_.keep_only(vnis);
    ip_moves_.keep_only(vnis);
    lookups_.share_among(vteps_.size());
    metrics_.cached = cache_.size();
}

bool Resolver::serves(std::uint32_t vni) const
{
    return std::ranges::find(vteps_, vni, &VtepInfo::vni) != vteps_.end();
}

void Resolver::adopt()
{
    for (const auto &vtep : vteps_)
        cache_.adopt(vtep.vni, host_.fdb(vtep.name).value_or(std::vector<FdbEntry>{}),
                     host_.neighbours(vtep.name).value_or(std::vector<NeighEntry>{}));
    metrics_.cached = cache_.size();
    if (cache_.size() != 0)
        log_info("took over {} entries of an agent before this one", cache_.size());
}

void Resolver::missed(const Key &key, Time when)
{
    if (directory_->watches())
        if (const auto change = cache_.rewrite(key, timers_.now())) {
            metrics_.from_memory++;
            return writer_.write(*change, {.missed = when});
        }
    if (lookups_.join(key, when) || negative_.suppresses(key, timers_.now()))
        metrics_.coalesced++;
    else if (!lookups_.start(key, when))
        metrics_.overloaded++;
}

void Resolver::looked_up(const Key &key, std::optional<Time> missed,
                         const Directory::Answer &answer)
{
    if (!serves(key.vni))
        return;
    if (!answer) {
        metrics_.refused++;
        log_once_.warn(answer.error().message());
        negative_.add_refused(key, timers_.now());
    } else if (!*answer) {
        metrics_.absent++;
        negative_.add_absent(key, timers_.now());
        write(cache_.remove(key));
    } else if (check(key, **answer)) {
        metrics_.found++;
        store(key, **answer, {.missed = missed});
    } else {
        metrics_.refused++;
        negative_.add_refused(key, timers_.now());
        remove_if_here(key, **answer);
    }
}

void Resolver::changed(const Key &key, const std::optional<Record> &record, bool claimed)
{
    WriteReason reason{.moved = claimed};
    if (!serves(key.vni))
        return;
    reason.moved |= record && ip_moves_.would_move(key, record->mac);
    reason.awaited = negative_.remove(key, timers_.now());
    if (const auto ended = lookups_.end(key)) { // its answer may be older than this change
        reason.awaited = true;
        reason.missed = ended->missed;
    }
    if (!cache_.contains(key) && !reason.awaited && !reason.moved)
        return;
    metrics_.changes++;
    if (!record) {
        write(cache_.remove(key));
        if (reason.awaited)
            negative_.add_awaited(key, timers_.now());
    } else if (check(key, *record))
        store(key, *record, reason);
    else
        remove_if_here(key, *record);
}

void Resolver::resync()
{
    metrics_.resyncs++;
    negative_.clear();
    lookups_.resync(cache_.sources());
}

// Whether the record may be written here; logs the reason if not.
bool Resolver::check(const Key &key, const Record &record)
{
    const auto refuse = [&](std::string_view cause) {
        log_once_.warn(fmt::format("answer for {}: {} {}", key.text(), record.vtep.text(), cause));
        return false;
    };
    if (host_.is_own(record.vtep)) {
        // For an endpoint of this host that is right: whoever asks for it is on the same bridge.
        if (own_.contains(record.vni, record.mac))
            return false;
        return refuse("is this host's own address");
    }
    if (std::ranges::none_of(vteps_, [&](const VtepInfo &vtep) { return fits(vtep, record); }))
        return refuse("is not of the VTEP's family");
    return true;
}

void Resolver::store(const Key &key, const Record &record, WriteReason reason)
{
    negative_.remove(key, timers_.now());
    if (std::holds_alternative<Ip>(key.what))
        reason.moved |= ip_moves_.note(key, record.mac);
    write(cache_.store(key, record, timers_.now()), reason);
}

void Resolver::write(const Cache::Changes &changes, const WriteReason &reason)
{
    for (const auto &change : changes)
        writer_.write(change, change.record ? reason : WriteReason{});
    metrics_.cached = cache_.size();
}

// The refused record may say that the endpoint has come to this host.
void Resolver::remove_if_here(const Key &key, const Record &record)
{
    if (!host_.is_own(record.vtep))
        return;
    if (std::holds_alternative<Ip>(key.what))
        ip_moves_.note(key, record.mac); // the endpoint itself tells the other hosts here
    write(cache_.remove_with_mac(key, record));
}

bool Resolver::flush()
{
    writer_.flush();
    return cache_.size() != 0;
}

void Resolver::expire(const VtepInfo &vtep, const TableCopy &tables, Time read)
{
    std::vector<Key> to_recheck;
    for (const auto &key : cache_.expire(vtep, tables, read))
        if (!directory_->watches()) {
            if (cache_.is_source(key))
                to_recheck.push_back(key);
        } else if (const auto change = cache_.rewrite(key, timers_.now())) {
            writer_.write(*change);
        }
    lookups_.recheck(to_recheck);
}

void Resolver::forget_old()
{
    negative_.forget_old(timers_.now());
    log_once_.forget_old();
    metrics_.cached = cache_.size();
}

} // namespace xvtep::agent
