// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/agent.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

Key mac_key(const Record &record) { return {record.vni, record.mac}; }

Record without_ip(Record record)
{
    record.ip.reset();
    return record;
}

// Sent to since it was last written; both in seconds ago, to the second.
bool used_since(const FdbEntry &entry) { return entry.used + 1 < entry.updated; }

} // namespace

Agent::Agent(Loop &loop, Host &host, Metrics &metrics, AgentOptions options)
    : loop_(loop), host_(host), metrics_(metrics), options_(options),
      random_(std::random_device{}())
{
}

Agent::~Agent() = default;

void Agent::start(Directory &directory)
{
    directory_ = &directory;
    refresh();
    adopt();
    recheck_all();
    if (!own_.empty())
        directory_->announce(own_);
    tick();
}

void Agent::refresh()
{
    vteps_ = host_.vteps();
    std::set<std::uint32_t> vnis;
    for (const auto &vtep : vteps_)
        vnis.insert(vtep.vni);
    std::erase_if(held_, [&](const auto &held) { return !vnis.contains(held.first.vni); });
    std::erase_if(absent_, [&](const auto &absent) { return !vnis.contains(absent.first.vni); });
    if (directory_ != nullptr)
        directory_->watch(vnis);
}

bool Agent::serves(std::uint32_t vni) const
{
    return std::ranges::find(vteps_, vni, &VtepInfo::vni) != vteps_.end();
}

void Agent::announce(const std::set<Record> &own)
{
    if (own == own_)
        return;
    own_ = own;
    metrics_.announced = own_.size();
    if (directory_ != nullptr)
        directory_->announce(own_);
}

void Agent::on_l2miss(const L2Miss &miss)
{
    metrics_.l2misses++;
    Mac mac;
    mac.octets = miss.mac;
    missed(miss, {miss.vni, mac});
}

void Agent::on_l3miss(const L3Miss &miss)
{
    metrics_.l3misses++;
    missed(miss, {miss.vni, Ip::from_bytes(miss.ip.data(), miss.ip.size())});
}

void Agent::missed(const Miss &miss, const Key &key)
{
    if (!serves(key.vni)) {
        refresh(); // attached a moment ago
        if (!serves(key.vni))
            return;
    }
    const auto now = Loop::Clock::now();
    const Time when{std::chrono::nanoseconds(miss.time)}; // CLOCK_MONOTONIC both
    if (const auto held = held_.find(key); held != held_.end() && directory_->watches()) {
        metrics_.from_memory++;
        write_soon(key, held->second.record, when);
        return;
    }
    if (const auto question = questions_.find(key); question != questions_.end()) {
        metrics_.coalesced++;
        if (!question->second.missed)
            question->second.missed = when;
        return;
    }
    if (const auto absent = absent_.find(key); absent != absent_.end() && now < absent->second) {
        metrics_.coalesced++;
        return;
    }
    if (questions_.size() >= options_.questions_most) {
        metrics_.overloaded++;
        return;
    }
    questions_[key] = {.first = now, .missed = when};
    ask(key);
}

void Agent::ask(const Key &key)
{
    const auto question = questions_.find(key);
    if (question == questions_.end())
        return;
    question->second.last = Loop::Clock::now();
    question->second.attempts++;
    metrics_.lookups++;
    spdlog::debug("{} is looked up", key.text());
    metrics_.questions = questions_.size();
    directory_->look_up(key,
                        [this, key](Directory::Answer answer) { answered(key, std::move(answer)); });
}

void Agent::answered(const Key &key, Directory::Answer answer)
{
    const auto found = questions_.find(key);
    if (found == questions_.end())
        return;
    const auto question = found->second;
    const auto now = Loop::Clock::now();
    metrics_.lookup_time.add(now - question.last);
    if (!answer && answer.error().code != EBADMSG) {
        metrics_.failed++;
        failed(key, question, answer.error());
        return;
    }
    questions_.erase(found);
    metrics_.questions = questions_.size();
    if (!question.missed && rechecking_ > 0) {
        rechecking_--;
        recheck_more();
    }
    if (!answer) {
        metrics_.refused++;
        log_once(answer.error().message());
        absent_[key] = now + options_.refused_for;
    } else if (!*answer) {
        metrics_.absent++;
        absent_[key] = now + options_.absent_for;
        forget(key);
    } else if (check(key, **answer)) {
        metrics_.found++;
        hold(key, **answer, question.missed);
    } else {
        metrics_.refused++;
        absent_[key] = now + options_.refused_for;
    }
}

void Agent::failed(const Key &key, Question question, const Error &error)
{
    spdlog::debug("{}: {}", key.text(), error.message());
    const auto now = Loop::Clock::now();
    // A question about what is held stays open for as long as it is held.
    if (now - question.first > options_.retry_for && !held_.contains(key)) {
        questions_.erase(key);
        metrics_.questions = questions_.size();
        if (!question.missed && rechecking_ > 0) {
            rechecking_--;
            recheck_more();
        }
        return;
    }
    auto wait = options_.retry_first * (1U << std::min(question.attempts - 1, 10U));
    wait = std::min(wait, options_.retry_most);
    wait += wait * static_cast<int>(random_() % 50) / 100; // not all at once
    loop_.after(wait, [this, key] { ask(key); });
}

bool Agent::check(const Key &key, const Record &record)
{
    const auto refuse = [&](const std::string &why) {
        log_once(fmt::format("answer for {}: {}", key.text(), why));
        return false;
    };
    if (host_.is_own(record.vtep)) {
        // That is as it should be for our own endpoints: whoever asks is on the same bridge.
        const bool ours = std::ranges::any_of(own_, [&](const Record &own) {
            return own.vni == record.vni && own.mac == record.mac;
        });
        return ours ? false
                    : refuse(fmt::format("{} is this host's own address", record.vtep.text()));
    }
    for (const auto &vtep : vteps_)
        if (vtep.vni == record.vni && vtep.local && vtep.local->is_v6() != record.vtep.is_v6())
            return refuse(fmt::format("{} is not of {}'s family", record.vtep.text(), vtep.name));
    return true;
}

void Agent::hold(const Key &key, const Record &record, std::optional<Time> missed)
{
    absent_.erase(key);
    const Key mac = mac_key(record);
    if (key != mac) {
        held_[key] = {record, key};
        // Where the MAC is, is said once, by its own key: the neighbour follows.
        const auto [entry, fresh] = held_.try_emplace(mac, Held{without_ip(record), key});
        if (!fresh)
            entry->second.record = without_ip(record);
    } else {
        held_[key] = {without_ip(record), key};
    }
    metrics_.held = held_.size();
    write_soon(key, record, missed);
}

void Agent::forget(const Key &key)
{
    const auto held = held_.find(key);
    if (held == held_.end())
        return;
    const Key mac = mac_key(held->second.record);
    held_.erase(held);
    write_soon(key, std::nullopt, {});
    if (const auto entry = held_.find(mac); entry != held_.end() && entry->second.source == key) {
        held_.erase(entry);
        write_soon(mac, std::nullopt, {});
    }
    metrics_.held = held_.size();
}

void Agent::write_soon(const Key &key, std::optional<Record> record, std::optional<Time> missed)
{
    if (record)
        if (const auto mac = held_.find(mac_key(*record)); mac != held_.end()) {
            record->vtep = mac->second.record.vtep;
            record->port = mac->second.record.port;
        }
    due_[key] = {std::move(record), missed};
    if (!std::exchange(flushing_, true))
        loop_.after(0s, [this] { flush(); });
}

void Agent::flush()
{
    flushing_ = false;
    if (due_.empty())
        return;
    const auto due = std::exchange(due_, {});
    std::vector<Change> changes;
    changes.reserve(due.size());
    for (const auto &[key, what] : due)
        changes.push_back({key, what.record});
    const auto results = host_.write(changes);
    const auto now = Loop::Clock::now();
    auto result = results.begin();
    for (const auto &[key, what] : due) {
        if (result == results.end())
            break;
        if (const auto &done = *result++; !done) {
            metrics_.write_errors++;
            log_once(done.error().message());
        } else if (!what.record) {
            metrics_.removals++;
        } else {
            metrics_.writes++;
            spdlog::debug("{} is {} behind {}", key.text(), what.record->mac.text(),
                          what.record->vtep.text());
            if (what.missed) {
                metrics_.miss_time.add(now - *what.missed);
                if (installed)
                    installed(*what.record);
            }
        }
    }
}

void Agent::changed(const Key &key, const std::optional<Record> &record)
{
    if (record && std::holds_alternative<Mac>(key.what) && !host_.is_own(record->vtep)) {
        const bool ours = std::ranges::any_of(own_, [&](const Record &own) {
            return own.vni == key.vni && own.mac == record->mac;
        });
        if (ours && taken)
            taken(key.vni, record->mac);
    }
    // Somebody here asked for it a moment ago.
    const auto absent = absent_.find(key);
    const bool awaited = absent != absent_.end() && Loop::Clock::now() < absent->second;
    if (absent != absent_.end())
        absent_.erase(absent);
    if (!held_.contains(key) && !awaited)
        return;
    metrics_.changes++;
    if (!record)
        forget(key);
    else if (check(key, *record))
        hold(key, *record);
    else if (host_.is_own(record->vtep))
        forget(key); // it has come to this host
}

void Agent::lost_track() { recheck_all(); }

void Agent::recheck_all()
{
    metrics_.lost_tracks++;
    absent_.clear();
    rechecks_.clear();
    for (const auto &[key, held] : held_)
        if (held.source == key)
            rechecks_.push_back(key);
    recheck_more();
}

void Agent::recheck_more()
{
    while (!rechecks_.empty() && rechecking_ < options_.rechecks_most) {
        const Key key = rechecks_.front();
        rechecks_.pop_front();
        if (!held_.contains(key) || questions_.contains(key))
            continue;
        rechecking_++;
        questions_[key] = {.first = Loop::Clock::now()};
        ask(key);
    }
}

void Agent::adopt()
{
    for (const auto &vtep : vteps_) {
        for (const auto &entry : host_.fdb(vtep.name))
            if (entry.state == FdbState::dynamic && !entry.learned && !entry.mac.is_zero() &&
                !entry.mac.is_multicast()) {
                const Record record{vtep.vni, entry.mac, std::nullopt, entry.dst, entry.port};
                held_.try_emplace(mac_key(record), Held{record, mac_key(record)});
            }
        for (const auto &entry : host_.neighbours(vtep.name)) {
            const auto mac = held_.find(Key{vtep.vni, entry.mac});
            if (entry.state != NeighState::reachable || mac == held_.end())
                continue;
            Record record = mac->second.record;
            record.ip = entry.ip;
            const Key key{vtep.vni, entry.ip};
            held_.try_emplace(key, Held{record, key});
        }
    }
    metrics_.held = held_.size();
    if (!held_.empty())
        spdlog::info("took over {} entries of an agent before this one", held_.size());
}

void Agent::tick()
{
    flush();
    auto wait = std::chrono::seconds(30);
    for (const auto &vtep : vteps_) {
        tick_device(vtep);
        for (const auto lifetime : {vtep.ageing, vtep.reachable_time})
            if (lifetime != 0)
                wait = std::min(wait, std::chrono::seconds(std::max(lifetime / 4, 1U)));
    }
    const auto now = Loop::Clock::now();
    std::erase_if(absent_, [&](const auto &absent) { return absent.second <= now; });
    std::erase_if(logged_, [&](const auto &logged) { return logged.second + 10min <= now; });
    loop_.after(wait, [this] { tick(); });
}

void Agent::tick_device(const VtepInfo &vtep)
{
    const auto of_vtep = [&](const Key &key) { return key.vni == vtep.vni; };
    const auto first = held_.lower_bound(Key{vtep.vni, Mac{}});
    if (first == held_.end() || !of_vtep(first->first))
        return;
    std::map<Mac, FdbEntry> entries;
    for (auto &entry : host_.fdb(vtep.name))
        entries.emplace(entry.mac, std::move(entry));
    std::map<Ip, std::uint64_t> neighbours;
    for (const auto &entry : host_.neighbours(vtep.name))
        neighbours.emplace(entry.ip, entry.updated);

    const auto renew = [&](const Key &key, const Held &held) {
        if (directory_->watches())
            write_soon(key, held.record, {});
        else if (held.source == key)
            rechecks_.push_back(key);
    };
    // Keys of MACs sort before those of IPs.
    for (auto at = first; at != held_.end() && of_vtep(at->first);) {
        const auto &[key, held] = *at;
        const auto entry = entries.find(held.record.mac);
        const bool live = entry != entries.end() && entry->second.state == FdbState::dynamic &&
                          !entry->second.learned && held_.contains(mac_key(held.record));
        if (!live) { // expired, or somebody else's now
            at = held_.erase(at);
            continue;
        }
        const auto *ip = std::get_if<Ip>(&key.what);
        const auto neighbour = ip != nullptr ? neighbours.find(*ip) : neighbours.end();
        const auto lifetime = ip != nullptr ? vtep.reachable_time : vtep.ageing;
        const auto updated = ip == nullptr                 ? entry->second.updated
                             : neighbour == neighbours.end() ? 0
                                                             : neighbour->second;
        if (lifetime != 0 && updated >= lifetime / 2 && updated > 0 && used_since(entry->second))
            renew(key, held);
        ++at;
    }
    metrics_.held = held_.size();
    recheck_more();
}

void Agent::log_once(const std::string &what)
{
    constexpr std::size_t most = 1000; // a hostile directory has many ways to be wrong
    if (logged_.size() < most && logged_.try_emplace(what, Loop::Clock::now()).second)
        spdlog::warn("{}", what);
}

} // namespace xvtep::agent
