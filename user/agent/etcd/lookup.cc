// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/lookup.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/keys.h"

namespace xvtep::agent {
namespace {

constexpr std::size_t requests_max = 8;
constexpr std::size_t keys_max = 128; // etcd's --max-txn-ops

} // namespace

EtcdLookup::EtcdLookup(Loop &loop, EtcdClient &client, EtcdWatch &watch, const EtcdOptions &options)
    : loop_(loop), client_(client), watch_(watch), options_(options)
{
}

EtcdLookup::~EtcdLookup()
{
    loop_.cancel(sending_);
    loop_.cancel(expiring_);
}

Error EtcdLookup::failure(const Key &key, const std::string &cause) const
{
    return system_failure("look up", key.text(),
                          fmt::format("etcd {}: {}", client_.server(), cause))
        .error();
}

void EtcdLookup::ask(const Key &key, Done done)
{
    client_.counters.look_ups++;
    const auto [found, fresh] = pending_.try_emplace(key);
    Pending &pending = found->second;
    pending.done.push_back(std::move(done));
    if (!fresh)
        return;
    pending.number = next_++;
    pending.most = keys_max;
    deadlines_.emplace_back(Loop::Clock::now() + options_.timeout, key, pending.number);
    queue(key, pending, End::back);
    schedule();
    if (!expires_)
        expire();
}

void EtcdLookup::queue(const Key &key, Pending &pending, End end)
{
    pending.request = 0;
    // The queues still have the keys of look-ups that expired while nothing could be sent.
    if (queues_[Read::serializable].size() + queues_[Read::linearizable].size() >
        2 * pending_.size() + 1024) {
        queues_.clear();
        for (const auto &[other, open] : pending_)
            if (open.request == 0 && &open != &pending)
                queues_[open.read].push_back(other);
    }
    auto &queue = queues_[pending.read];
    if (end == End::front)
        queue.push_front(key);
    else
        queue.push_back(key);
}

void EtcdLookup::schedule()
{
    if (std::exchange(scheduled_, true))
        return;
    sending_ = loop_.after(Loop::Clock::duration::zero(), [this] {
        scheduled_ = false;
        send();
    });
}

void EtcdLookup::expire()
{
    expires_ = true; // so that ask(), called by a callback, sets no second timer
    const auto now = Loop::Clock::now();
    while (!deadlines_.empty()) {
        const auto [when, key, number] = deadlines_.front();
        const auto found = pending_.find(key);
        const bool current = found != pending_.end() && found->second.number == number;
        if (current && when > now)
            break;
        deadlines_.pop_front();
        if (current)
            finish(key,
                   std::unexpected(failure(key, client_.up() ? fmt::format("no answer within {} ms",
                                                                           options_.timeout.count())
                                                             : client_.trouble())));
    }
    expires_ = !deadlines_.empty();
    if (expires_)
        expiring_ = loop_.after(std::get<0>(deadlines_.front()) - now, [this] { expire(); });
}

void EtcdLookup::send()
{
    while (client_.up() && requests_ < requests_max) {
        if (!send(Read::linearizable) && !send(Read::serializable))
            return;
    }
}

// Returns whether there was something to send.
bool EtcdLookup::send(Read read)
{
    auto &queue = queues_[read];
    std::vector<Key> keys;
    std::string ranges;
    std::size_t most = keys_max;
    const auto request = next_++;
    while (!queue.empty() && keys.size() < most) {
        const Key &key = queue.front();
        const auto found = pending_.find(key);
        // The look-up may have expired, and the key may be in a later request already.
        if (found == pending_.end() || found->second.request != 0 || found->second.read != read) {
            queue.pop_front();
            continue;
        }
        Pending &pending = found->second;
        most = std::min(most, pending.most);
        if (keys.size() >= most)
            break;
        pending.request = request;
        pending.reported = watch_.reported(key.vni);
        pending.event.reset();
        pending.event_revision = 0;
        ranges += fmt::format(R"({}{{"request_range":{{"key":"{}"{}}}}})", keys.empty() ? "" : ",",
                              base64(etcd_key(options_.prefix, key)),
                              read == Read::linearizable ? "" : R"(,"serializable":true)");
        keys.push_back(key);
        queue.pop_front();
    }
    if (keys.empty())
        return false;
    requests_++;
    client_.post("/v3/kv/txn", fmt::format(R"({{"success":[{}]}})", ranges), options_.timeout / 2,
                 [this, request, keys = std::move(keys)](EtcdClient::Answer answer) {
                     requests_--;
                     answered(request, keys, std::move(answer));
                     send();
                 });
    return true;
}

void EtcdLookup::answered(std::uint64_t request, const std::vector<Key> &keys,
                          EtcdClient::Answer answer)
{
    const auto revision = answer ? EtcdClient::header_of(*answer).revision : 0;
    const auto responses = answer ? answer->member("responses").elements() : std::vector<Json>();
    const bool whole = responses.size() == keys.size() && revision != 0;
    for (std::size_t i = 0; i < keys.size(); i++) {
        const Key &key = keys[i];
        const auto found = pending_.find(key);
        if (found == pending_.end() || found->second.request != request)
            continue;
        Pending &pending = found->second;
        if (whole) {
            judge(key, pending, revision, responses[i].member("response_range"));
        } else if (answer) {
            finish(key, std::unexpected(failure(key, "not etcd's answer")));
        } else if (answer.error().kind == EtcdProblem::server) {
            queue(key, pending, End::front);
        } else if (answer.error().kind == EtcdProblem::too_large && keys.size() > 1) {
            pending.most = keys.size() / 2;
            queue(key, pending, End::front);
        } else {
            finish(key, std::unexpected(failure(key, answer.error().text)));
        }
    }
}

void EtcdLookup::judge(const Key &key, Pending &pending, std::uint64_t revision, const Json &range)
{
    if (pending.event && pending.event_revision > revision) {
        const Answer newer = *pending.event;
        return finish(key, newer);
    }
    // The answer is older than what the watch has reported, and the watch will not report the
    // changes since then again.
    const auto base = watch_.base(key.vni);
    const auto needed = std::max(pending.reported, base == 0 ? 0 : base - 1);
    if (revision < needed && pending.read == Read::serializable) {
        pending.read = Read::linearizable;
        return queue(key, pending, End::front);
    }
    if (revision < needed) { // the cluster itself went back to older data
        queue(key, pending, End::front);
        return client_.fail("its revisions have gone back");
    }

    watch_.answered(key.vni, revision);
    const Json kvs = range.member("kvs");
    if (!range.is_object() || (!kvs.is_null() && !kvs.is_array()))
        return finish(key, std::unexpected(failure(key, "not etcd's answer")));
    if (kvs.size() == 0)
        return finish(key, std::optional<Record>());
    const Json kv = kvs.elements().front();
    if (from_base64(kv.member("key").text()) != etcd_key(options_.prefix, key))
        return finish(key, std::unexpected(failure(key, "the answer is for another key")));
    const auto record = etcd_record(key, kv);
    if (!record) {
        client_.counters.refused++;
        return finish(key, std::unexpected(record.error()));
    }
    finish(key, std::optional(*record));
}

void EtcdLookup::event(const Key &key, const Answer &answer, std::uint64_t revision)
{
    const auto found = pending_.find(key);
    if (found == pending_.end() || found->second.request == 0)
        return;
    found->second.event = answer;
    found->second.event_revision = revision;
}

void EtcdLookup::finish(const Key &key, const Answer &answer)
{
    const auto found = pending_.find(key);
    const auto done = std::move(found->second.done);
    pending_.erase(found);
    if (!answer)
        client_.counters.unanswered++;
    for (const auto &one : done)
        one(answer);
}

} // namespace xvtep::agent
