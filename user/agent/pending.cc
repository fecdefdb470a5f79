// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/pending.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "user/agent/jitter.h"
#include "user/agent/log.h"

namespace xvtep::agent {

PendingLookups::PendingLookups(Timers &timers, Metrics &metrics, Client &client,
                               LookupOptions options)
    : timers_(timers), metrics_(metrics), client_(client), options_(options),
      most_of_vni_(options.most)
{
}

PendingLookups::~PendingLookups()
{
    for (const auto &[key, lookup] : lookups_)
        if (lookup.retry)
            timers_.cancel(*lookup.retry);
}

void PendingLookups::share_among(std::size_t vteps)
{
    most_of_vni_ = options_.most / std::clamp<std::size_t>(vteps, 1, 8);
}

bool PendingLookups::join(const Key &key, Time missed)
{
    const auto found = lookups_.find(key);
    if (found == lookups_.end())
        return false;
    if (!found->second.missed)
        found->second.missed = missed;
    return true;
}

bool PendingLookups::start(const Key &key, Time missed)
{
    if (lookups_.size() >= options_.most || count_of_vni_[key.vni] >= most_of_vni_)
        return false;
    open(key, {.first = timers_.now(), .missed = missed});
    return true;
}

void PendingLookups::open(const Key &key, Lookup lookup)
{
    lookup.id = next_id_++;
    lookups_[key] = lookup;
    count_of_vni_[key.vni]++;
    metrics_.pending = lookups_.size();
    ask(key, lookup.id);
}

std::optional<PendingLookups::Ended> PendingLookups::end(const Key &key)
{
    const auto found = lookups_.find(key);
    if (found == lookups_.end())
        return std::nullopt;
    return Ended{close(found)};
}

std::optional<PendingLookups::Time> PendingLookups::close(Lookups::iterator found)
{
    const Lookup closed = found->second;
    if (closed.retry)
        timers_.cancel(*closed.retry);
    count_of_vni_[found->first.vni]--;
    lookups_.erase(found);
    metrics_.pending = lookups_.size();
    if (closed.is_recheck) {
        rechecking_--;
        recheck_more();
    }
    return closed.missed;
}

void PendingLookups::ask(const Key &key, std::uint64_t id)
{
    const auto found = lookups_.find(key);
    if (found == lookups_.end() || found->second.id != id)
        return;
    found->second.retry.reset();
    found->second.last = timers_.now();
    found->second.attempts++;
    metrics_.lookups++;
    log_debug("{} is looked up", key.text());
    directory_->look_up(
        key, [this, key, id](const Directory::Answer &answer) { answered(key, id, answer); });
}

void PendingLookups::answered(const Key &key, std::uint64_t id, const Directory::Answer &answer)
{
    const auto found = lookups_.find(key);
    if (found == lookups_.end() || found->second.id != id)
        return;
    metrics_.lookup_time.add(timers_.now() - found->second.last);
    const bool ask_again = std::exchange(found->second.ask_again, false);
    if (!answer && answer.error().code != EBADMSG)
        return failed(found, answer.error());
    if (ask_again)
        return ask(key, id);
    const auto missed = close(found);
    client_.looked_up(key, missed, answer);
}

void PendingLookups::failed(Lookups::iterator found, const Error &error)
{
    auto &[key, lookup] = *found;
    metrics_.failed++;
    log_debug("{}: {}", key.text(), error.message());
    if (timers_.now() - lookup.first > options_.retry_for && !client_.is_cached(key)) {
        close(found);
        return;
    }
    const auto pause = std::min(options_.retry_first * (1U << std::min(lookup.attempts - 1, 10U)),
                                options_.retry_most);
    lookup.retry = timers_.after(random_between(pause, pause + pause / 2),
                                 [this, key = key, id = lookup.id] { ask(key, id); });
}

void PendingLookups::recheck(const std::vector<Key> &keys)
{
    to_recheck_.insert(keys.begin(), keys.end());
    recheck_more();
}

void PendingLookups::resync(std::set<Key> keys)
{
    to_recheck_ = std::move(keys);
    for (auto &[key, lookup] : lookups_)
        lookup.ask_again = true;
    recheck_more();
}

void PendingLookups::recheck_more()
{
    while (!to_recheck_.empty() && rechecking_ < options_.rechecks_most) {
        const Key key = *to_recheck_.begin();
        to_recheck_.erase(to_recheck_.begin());
        if (!client_.is_cached(key) || lookups_.contains(key))
            continue;
        rechecking_++;
        open(key, {.first = timers_.now(), .is_recheck = true});
    }
}

} // namespace xvtep::agent
