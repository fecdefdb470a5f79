// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/announcer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using std::chrono::milliseconds;

// etcd's --max-txn-ops is 128, and each level of a nested transaction counts.
constexpr std::size_t keys_max = 100;
constexpr milliseconds write_timeout{5000};
constexpr milliseconds first_pause{50}, longest_pause{5000};
constexpr std::uint64_t not_found = 5; // gRPC's

std::string nested(const std::string &compare, const std::string &then,
                   const std::string &otherwise)
{
    return fmt::format(R"({{"request_txn":{{"compare":[{}],"success":[{}],"failure":[{}]}}}})",
                       compare, then, otherwise);
}

} // namespace

EtcdAnnouncer::EtcdAnnouncer(Loop &loop, EtcdClient &client, const EtcdOptions &options)
    : loop_(loop), client_(client), options_(options), pause_(first_pause)
{
}

EtcdAnnouncer::~EtcdAnnouncer()
{
    loop_.cancel(work_timer_);
    loop_.cancel(keep_timer_);
}

void EtcdAnnouncer::announce(const std::set<Record> &own)
{
    std::map<std::string, std::string> wanted;
    for (Record record : own) {
        if (record.ip)
            wanted[etcd_key(options_.prefix, {record.vni, *record.ip})] = to_json(record);
        record.ip.reset(); // the MAC may have several
        wanted[etcd_key(options_.prefix, {record.vni, record.mac})] = to_json(record);
    }
    for (auto it = own_.begin(); it != own_.end();) {
        auto &[key, entry] = *it;
        if (wanted.contains(key) || entry.state == State::withdrawn) {
            ++it;
        } else if (entry.state == State::left || !entry.sent) {
            dirty_.erase(key);
            it = own_.erase(it);
        } else {
            mark(key, entry, State::withdrawn);
            ++it;
        }
    }
    for (auto &[key, value] : wanted) {
        Own &entry = own_[key];
        if (entry.change != 0 && entry.state != State::withdrawn && entry.value == value)
            continue;
        entry.value = std::move(value);
        mark(key, entry, State::fresh);
    }
    work_in(milliseconds(0));
}

void EtcdAnnouncer::mark(const std::string &key, Own &own, State state)
{
    own.state = state;
    own.change = ++changes_;
    dirty_.insert(key);
}

std::size_t EtcdAnnouncer::left_to_others() const
{
    return static_cast<std::size_t>(std::count_if(
        own_.begin(), own_.end(), [](const auto &one) { return one.second.state == State::left; }));
}

void EtcdAnnouncer::up()
{
    if (lease_ != 0)
        keep_alive();
    work_in(milliseconds(0));
}

void EtcdAnnouncer::down()
{
    loop_.cancel(keep_timer_);
}

void EtcdAnnouncer::lost()
{
    for (auto &[key, own] : own_)
        own.revision = own.foreign = own.deleted = 0;
    put_again();
}

void EtcdAnnouncer::put_again()
{
    lease_ = 0;
    loop_.cancel(keep_timer_);
    for (auto &[key, own] : own_)
        if (own.state == State::ours)
            mark(key, own, State::again);
    work_in(milliseconds(0));
}

void EtcdAnnouncer::work_in(milliseconds delay)
{
    if (std::exchange(scheduled_, true))
        loop_.cancel(work_timer_);
    work_timer_ = loop_.after(delay, [this] {
        scheduled_ = false;
        work();
    });
}

void EtcdAnnouncer::work()
{
    if (busy_ || !client_.up())
        return;                        // an answer or up() calls again
    if (own_.empty() && lease_ != 0) { // no key needs the lease any more
        lease_ = 0;
        loop_.cancel(keep_timer_);
    }
    if (dirty_.empty())
        return;
    const bool puts = std::any_of(dirty_.begin(), dirty_.end(), [this](const auto &key) {
        return own_.at(key).state != State::withdrawn;
    });
    if (puts && lease_ == 0)
        grant();
    else
        write();
}

void EtcdAnnouncer::grant()
{
    busy_ = true;
    client_.post("/v3/lease/grant", fmt::format(R"({{"TTL":"{}"}})", options_.lease_ttl.count()),
                 write_timeout, [this](const EtcdClient::Answer &answer) {
                     busy_ = false;
                     if (!answer)
                         return failed(answer.error());
                     lease_ = etcd_number(*answer, "ID");
                     ttl_ = etcd_number(*answer, "TTL");
                     if (lease_ == 0 || ttl_ == 0)
                         return failed({EtcdProblem::refused, 0, "no lease"});
                     log_debug("etcd {}: {} announces under lease {:x}", client_.server(),
                               options_.node.empty() ? "this host" : options_.node, lease_);
                     keep_alive_in(std::chrono::seconds(ttl_) / 3);
                     work();
                 });
}

std::string EtcdAnnouncer::operation(const std::string &key, const Own &own) const
{
    const std::string at = base64(key), value = base64(own.value);
    const auto compare = [&](std::string_view target, std::string_view member,
                             std::string_view is) {
        return fmt::format(R"({{"key":"{}","target":"{}","{}":"{}"}})", at, target, member, is);
    };
    if (own.state == State::withdrawn) {
        const std::string erase = fmt::format(R"({{"request_delete_range":{{"key":"{}"}}}})", at);
        const std::string same = nested(compare("VALUE", "value", value), erase, "");
        return lease_ == 0 ? same
                           : nested(compare("LEASE", "lease", std::to_string(lease_)), erase, same);
    }
    std::string put = fmt::format(R"({{"request_put":{{"key":"{}","value":"{}","lease":"{}"}}}})",
                                  at, value, lease_);
    if (own.state == State::fresh)
        return put;
    return nested(compare("VERSION", "version", "0"), put,
                  nested(compare("VALUE", "value", value), put, ""));
}

void EtcdAnnouncer::write()
{
    std::string operations;
    std::vector<std::pair<std::string, std::uint64_t>> keys;
    for (const auto &key : dirty_) {
        Own &own = own_.at(key);
        if (lease_ == 0 && own.state != State::withdrawn)
            continue;
        own.sent = true;
        operations += (keys.empty() ? "" : ",") + operation(key, own);
        keys.emplace_back(key, own.change);
        if (keys.size() == keys_max)
            break;
    }
    busy_ = true;
    client_.post("/v3/kv/txn", fmt::format(R"({{"success":[{}]}})", operations), write_timeout,
                 [this, keys = std::move(keys)](EtcdClient::Answer answer) {
                     busy_ = false;
                     written(keys, std::move(answer));
                 });
}

void EtcdAnnouncer::written(const std::vector<std::pair<std::string, std::uint64_t>> &keys,
                            EtcdClient::Answer answer)
{
    if (!answer && answer.error().code == not_found) {
        put_again(); // under a new lease
        work_in(client_.jittered(pause_));
        pause_ = std::min(pause_ * 2, longest_pause);
        return;
    }
    if (!answer)
        return failed(answer.error());
    const auto revision = EtcdClient::header_of(*answer).revision;
    const auto responses = answer->member("responses").elements();
    if (responses.size() != keys.size() || revision == 0)
        return failed({EtcdProblem::refused, 0, "not etcd's answer"});
    for (std::size_t i = 0; i < keys.size(); i++) {
        const auto &[key, change] = keys[i];
        const auto found = own_.find(key);
        if (found != own_.end() && found->second.change == change)
            settle(key, found->second, revision, responses[i]);
    }
    if (std::exchange(told_, false))
        log_info("etcd {}: announces again", client_.server());
    pause_ = first_pause;
    work();
}

void EtcdAnnouncer::settle(const std::string &key, Own &own, std::uint64_t revision, const Json &op)
{
    dirty_.erase(key);
    if (own.state == State::withdrawn) {
        own_.erase(key);
        return;
    }
    if (own.state == State::again) {
        const Json outer = op.member("response_txn");
        const auto inner = outer.member("responses").elements();
        const bool put =
            outer.member("succeeded").is_true() ||
            (!inner.empty() && inner[0].member("response_txn").member("succeeded").is_true());
        if (!put) {
            log_debug("etcd {}: {} is another host's now", client_.server(), key);
            own.state = State::left;
            return;
        }
    }
    own.state = State::ours;
    own.revision = revision;
    if (own.foreign > revision && own.foreign > own.deleted)
        own.state = State::left;
    else if (own.deleted > revision)
        mark(key, own, State::again);
}

void EtcdAnnouncer::failed(const EtcdProblem &problem)
{
    if (problem.kind == EtcdProblem::server)
        return; // up() continues
    if (!std::exchange(told_, true))
        log_warning("etcd {}: announce: {}", client_.server(), problem.text);
    work_in(client_.jittered(pause_));
    pause_ = std::min(pause_ * 2, longest_pause);
}

void EtcdAnnouncer::event(const std::string &key, const Json &kv, bool deleted,
                          std::uint64_t revision)
{
    const auto found = own_.find(key);
    if (found == own_.end())
        return;
    Own &own = found->second;
    if (!deleted && from_base64(kv.member("value").text()) == own.value)
        return;
    auto &last = deleted ? own.deleted : own.foreign;
    last = std::max(last, revision);
    if (own.state != State::ours || revision <= own.revision)
        return;
    if (deleted) {
        mark(key, own, State::again);
        if (lease_ != 0)
            keep_alive(); // the lease may be gone, and all keys with it
        work_in(client_.jittered(first_pause));
    } else {
        log_debug("etcd {}: {} is another host's now", client_.server(), key);
        own.state = State::left;
    }
}

void EtcdAnnouncer::keep_alive_in(milliseconds delay)
{
    loop_.cancel(keep_timer_);
    keep_timer_ = loop_.after(delay, [this] { keep_alive(); });
}

void EtcdAnnouncer::keep_alive()
{
    loop_.cancel(keep_timer_);
    if (keeping_ || !client_.up() || lease_ == 0)
        return;
    keeping_ = true;
    const auto lease = lease_;
    client_.post("/v3/lease/keepalive", fmt::format(R"({{"ID":"{}"}})", lease), write_timeout,
                 [this, lease](const EtcdClient::Answer &answer) {
                     keeping_ = false;
                     if (lease != lease_)
                         return keep_alive();
                     if (!answer && answer.error().kind == EtcdProblem::server)
                         return; // up() continues
                     if (!answer && answer.error().code != not_found)
                         return keep_alive_in(client_.jittered(milliseconds(1000)));
                     if (answer && etcd_number(answer->member("result"), "TTL") != 0)
                         return keep_alive_in(std::chrono::seconds(ttl_) / 3);
                     log_warning("etcd {}: the lease is lost", client_.server());
                     put_again();
                 });
}

} // namespace xvtep::agent
