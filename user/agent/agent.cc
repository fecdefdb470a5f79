// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/agent.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

Key mac_key(const Record &record)
{
    return {record.vni, record.mac};
}

Record without_ip(Record record)
{
    record.ip.reset();
    return record;
}

// Sent to since it was last written; both in seconds ago, to the second.
bool used_since(const FdbEntry &entry)
{
    return entry.used + 1 < entry.updated;
}

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
    if (announced_ && options_.announce)
        directory_->announce(own_);
    tick();
}

void Agent::refresh()
{
    vteps_ = host_.vteps();
    refreshed_ = Loop::Clock::now();
    std::set<std::uint32_t> vnis;
    for (const auto &vtep : vteps_)
        vnis.insert(vtep.vni);
    std::erase_if(held_, [&](const auto &held) { return !vnis.contains(held.first.vni); });
    std::erase_if(absent_, [&](const auto &absent) { return !vnis.contains(absent.first.vni); });
    std::erase_if(believed_, [&](const auto &one) { return !vnis.contains(one.first.vni); });
    metrics_.held = held_.size();
    if (directory_ == nullptr)
        return;
    directory_->watch(vnis);
    tick_soon();
}

bool Agent::serves(std::uint32_t vni) const
{
    return std::ranges::find(vteps_, vni, &VtepInfo::vni) != vteps_.end();
}

void Agent::announce(const std::set<Record> &own)
{
    if (std::exchange(announced_, true) && own == own_)
        return;
    own_ = own;
    for (const auto &record : own_)
        if (record.ip)
            believe({record.vni, *record.ip}, record.mac); // it says so itself
    if (!options_.announce)
        return;
    metrics_.announced = own_.size();
    if (directory_ != nullptr)
        directory_->announce(own_);
}

void Agent::on_l2miss(const L2Miss &miss)
{
    metrics_.l2misses++;
    missed(miss, {miss.vni, miss.mac});
}

void Agent::on_l3miss(const L3Miss &miss)
{
    metrics_.l3misses++;
    missed(miss, {miss.vni, miss.ip});
}

void Agent::missed(const Miss &miss, const Key &key)
{
    const auto now = Loop::Clock::now();
    if (!serves(key.vni)) {
        if (now - refreshed_ < 50ms) // misses of others may be many
            return;
        refresh(); // attached a moment ago
        if (!serves(key.vni))
            return;
    }
    const Time when{std::chrono::nanoseconds(miss.time)}; // CLOCK_MONOTONIC both
    if (const auto held = held_.find(key); held != held_.end() && directory_->watches()) {
        metrics_.from_memory++;
        write_soon(key, held->second.record, {.missed = when});
        return;
    }
    if (const auto question = questions_.find(key); question != questions_.end()) {
        metrics_.coalesced++;
        if (!question->second.missed)
            question->second.missed = when;
        return;
    }
    if (const auto absent = absent_.find(key);
        absent != absent_.end() && now < absent->second.until) {
        metrics_.coalesced++;
        absent->second.asked = now;
        return;
    }
    // One tenant's scan leaves room for the others.
    const auto share = options_.questions_most / std::clamp<std::size_t>(vteps_.size(), 1, 8);
    if (questions_.size() >= options_.questions_most || questions_of_[key.vni] >= share) {
        metrics_.overloaded++;
        return;
    }
    open(key, {.first = now, .missed = when});
}

void Agent::open(const Key &key, Question question)
{
    question.id = next_question_++;
    questions_[key] = question;
    questions_of_[key.vni]++;
    metrics_.questions = questions_.size();
    ask(key, question.id);
}

void Agent::ask(const Key &key, std::uint64_t id)
{
    const auto question = questions_.find(key);
    if (question == questions_.end() || question->second.id != id)
        return;
    question->second.last = Loop::Clock::now();
    question->second.attempts++;
    metrics_.lookups++;
    log_debug("{} is looked up", key.text());
    directory_->look_up(
        key, [this, key, id](Directory::Answer answer) { answered(key, id, std::move(answer)); });
}

Agent::Question Agent::close(Questions::iterator question)
{
    const auto closed = question->second;
    questions_of_[question->first.vni]--;
    questions_.erase(question);
    metrics_.questions = questions_.size();
    if (closed.recheck) {
        rechecking_--;
        recheck_more();
    }
    return closed;
}

void Agent::answered(const Key &key, std::uint64_t id, Directory::Answer answer)
{
    const auto found = questions_.find(key);
    if (found == questions_.end() || found->second.id != id)
        return;
    metrics_.lookup_time.add(Loop::Clock::now() - found->second.last);
    const bool again = std::exchange(found->second.again, false);
    if (!answer && answer.error().code != EBADMSG) {
        metrics_.failed++;
        failed(found, answer.error());
        return;
    }
    if (again)
        return ask(key, id);
    const auto question = close(found);
    if (!serves(key.vni))
        return;
    if (!answer) {
        metrics_.refused++;
        log_once(answer.error().message());
        remember_absent(key, options_.refused_for);
    } else if (!*answer) {
        metrics_.absent++;
        remember_absent(key, options_.absent_for);
        forget(key);
    } else if (check(key, **answer)) {
        metrics_.found++;
        hold(key, **answer, {.missed = question.missed});
    } else {
        metrics_.refused++;
        remember_absent(key, options_.refused_for);
        forget_moved_here(key, **answer);
    }
}

void Agent::remember_absent(const Key &key, std::chrono::milliseconds time)
{
    if (absent_.size() >= options_.absent_most) // somebody scans
        absent_.clear();
    const auto now = Loop::Clock::now();
    absent_[key] = {now + time, now};
}

bool Agent::believe(const Key &key, const Mac &mac)
{
    if (believed_.size() >= options_.believed_most && !believed_.contains(key))
        believed_.clear();
    const auto [known, fresh] = believed_.try_emplace(key, mac);
    return !fresh && std::exchange(known->second, mac) != mac;
}

void Agent::failed(Questions::iterator found, const Error &error)
{
    const auto &[key, question] = *found;
    log_debug("{}: {}", key.text(), error.message());
    const auto now = Loop::Clock::now();
    // A question about what is held stays open for as long as it is held.
    if (now - question.first > options_.retry_for && !held_.contains(key)) {
        close(found);
        return;
    }
    auto wait = options_.retry_first * (1U << std::min(question.attempts - 1, 10U));
    wait = std::min(wait, options_.retry_most);
    wait += wait * static_cast<int>(random_() % 50) / 100; // not all at once
    loop_.after(wait, [this, asked = key, id = question.id] { ask(asked, id); });
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
    if (std::ranges::none_of(vteps_, [&](const VtepInfo &vtep) { return fits(vtep, record); }))
        return refuse(fmt::format("{} is not of the VTEP's family", record.vtep.text()));
    return true;
}

void Agent::hold(const Key &key, const Record &record, Reason reason)
{
    absent_.erase(key);
    if (std::holds_alternative<Ip>(key.what))
        reason.moved |= believe(key, record.mac);
    const Key mac = mac_key(record);
    if (const auto before = held_.find(key);
        before != held_.end() && before->second.record.mac != record.mac)
        release(mac_key(before->second.record), key);
    // Where the MAC is, is said once, by its own key: the neighbour follows.
    auto &entry = held_[mac];
    entry.record = without_ip(record);
    entry.sources.insert(key);
    if (key != mac)
        held_[key] = {record, {key}};
    metrics_.held = held_.size();
    write_soon(key, record, reason);
}

void Agent::forget(const Key &key)
{
    const auto held = held_.find(key);
    if (held == held_.end())
        return;
    const Key mac = mac_key(held->second.record);
    if (key != mac) {
        held_.erase(held);
        write_soon(key, std::nullopt, {});
    }
    release(mac, key);
    metrics_.held = held_.size();
}

void Agent::release(const Key &mac, const Key &source)
{
    const auto entry = held_.find(mac);
    if (entry == held_.end())
        return;
    entry->second.sources.erase(source);
    if (!entry->second.sources.empty())
        return;
    held_.erase(entry);
    write_soon(mac, std::nullopt, {});
}

void Agent::forget_moved_here(const Key &key, const Record &record)
{
    if (!host_.is_own(record.vtep))
        return;
    if (std::holds_alternative<Ip>(key.what))
        believe(key, record.mac); // it says so itself
    forget(key);
    if (held_.erase(mac_key(record)) != 0)
        write_soon(mac_key(record), std::nullopt, {});
    metrics_.held = held_.size();
}

void Agent::write_soon(const Key &key, std::optional<Record> record, const Reason &reason)
{
    if (record)
        if (const auto mac = held_.find(mac_key(*record)); mac != held_.end()) {
            record->vtep = mac->second.record.vtep;
            record->port = mac->second.record.port;
        }
    const auto now_written = [&](const Key &which) {
        if (const auto held = held_.find(which); held != held_.end())
            held->second.written = Loop::Clock::now();
    };
    now_written(key);
    if (record)
        now_written(mac_key(*record));
    auto &due = due_[key];
    const bool untold = due.reason.moved; // of what is overwritten here
    due = {std::move(record), reason};
    due.reason.moved |= untold;
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
            log_debug("{} is {} behind {}", key.text(), what.record->mac.text(),
                      what.record->vtep.text());
            if (what.reason.missed)
                metrics_.miss_time.add(now - *what.reason.missed);
            written(*what.record, what.reason);
        }
    }
}

void Agent::written(const Record &record, const Reason &reason)
{
    if ((reason.missed || reason.awaited) && installed)
        installed(record);
    if (reason.moved && moved)
        moved(record);
}

bool Agent::give_up(const Key &key, const Record &record)
{
    if (host_.is_own(record.vtep))
        return false;
    bool ours = false, announced = false; // it may be our announcement that comes back
    for (const auto &own : own_)
        if (answers(own, key)) {
            ours = true;
            announced = announced || own.vtep == record.vtep;
        }
    if (!ours || announced)
        return false;
    if (const auto *ip = std::get_if<Ip>(&key.what); ip != nullptr && taken_ip)
        taken_ip(key.vni, *ip);
    else if (ip == nullptr && taken)
        taken(key.vni, record.mac);
    return true;
}

void Agent::changed(const Key &key, const std::optional<Record> &record)
{
    Reason reason{.moved = record && give_up(key, *record)};
    if (!serves(key.vni))
        return;
    if (const auto believed = believed_.find(key); believed != believed_.end() && record)
        reason.moved |= believed->second != record->mac;
    // Somebody here asked for it a moment ago.
    if (const auto absent = absent_.find(key); absent != absent_.end()) {
        reason.awaited = Loop::Clock::now() < absent->second.asked + options_.awaited_for;
        absent_.erase(absent);
    }
    // The answer to an open question may be older than this.
    if (const auto question = questions_.find(key); question != questions_.end()) {
        reason.awaited = true;
        reason.missed = close(question).missed;
    }
    if (!held_.contains(key) && !reason.awaited && !reason.moved)
        return;
    metrics_.changes++;
    if (!record) {
        forget(key);
        if (reason.awaited)
            remember_absent(key, 0ms);
    } else if (check(key, *record))
        hold(key, *record, reason);
    else
        forget_moved_here(key, *record);
}

void Agent::resync()
{
    recheck_all();
}

void Agent::recheck_all()
{
    metrics_.resyncs++;
    absent_.clear();
    rechecks_.clear();
    for (auto &[key, question] : questions_)
        question.again = true;
    for (const auto &[key, held] : held_)
        if (held.sources.contains(key))
            rechecks_.insert(key);
    recheck_more();
}

void Agent::recheck_more()
{
    while (!rechecks_.empty() && rechecking_ < options_.rechecks_most) {
        const Key key = *rechecks_.begin();
        rechecks_.erase(rechecks_.begin());
        if (!held_.contains(key) || questions_.contains(key))
            continue;
        rechecking_++;
        open(key, {.first = Loop::Clock::now(), .recheck = true});
    }
}

void Agent::adopt()
{
    for (const auto &vtep : vteps_) {
        for (const auto &entry : host_.fdb(vtep.name).value_or(std::vector<FdbEntry>{}))
            if (entry.state == FdbState::dynamic && !entry.learned && !entry.mac.is_zero() &&
                !entry.mac.is_multicast()) {
                const Record record{vtep.vni, entry.mac, std::nullopt, entry.dst, entry.port};
                held_.try_emplace(mac_key(record), Held{record, {mac_key(record)}});
            }
        for (const auto &entry : host_.neighbours(vtep.name).value_or(std::vector<NeighEntry>{})) {
            const auto mac = held_.find(Key{vtep.vni, entry.mac});
            if (entry.state != NeighState::reachable || mac == held_.end())
                continue;
            Record record = mac->second.record;
            record.ip = entry.ip;
            const Key key{vtep.vni, entry.ip};
            held_.try_emplace(key, Held{record, {key}});
            mac->second.sources.insert(key);
        }
    }
    metrics_.held = held_.size();
    if (!held_.empty())
        log_info("took over {} entries of an agent before this one", held_.size());
}

void Agent::tick()
{
    flush();
    if (next_tick_)
        loop_.cancel(*next_tick_);
    next_tick_.reset();
    ticking_ = true;
    if (held_.empty())
        return tick_over();
    host_.read([this, read = Loop::Clock::now()](auto copies) {
        if (copies) // else, say, one was renamed: the next look will tell
            for (const auto &vtep : vteps_)
                if (const auto copy = copies->find(vtep.name); copy != copies->end()) {
                    // Two VTEPs of one VNI: an entry lives while it does in either.
                    for (const auto &other : vteps_)
                        if (other.vni == vtep.vni && other.name != vtep.name)
                            copy->second.fdb.insert((*copies)[other.name].fdb.begin(),
                                                    (*copies)[other.name].fdb.end());
                    tick_device(vtep, copy->second, read);
                }
        tick_over();
    });
}

void Agent::tick_over()
{
    const auto now = Loop::Clock::now();
    std::erase_if(absent_, [&](const auto &absent) {
        return absent.second.until <= now && absent.second.asked + options_.awaited_for <= now;
    });
    std::erase_if(logged_, [&](const auto &logged) { return logged.second + 10min <= now; });
    metrics_.held = held_.size();
    ticking_ = false;
    tick_soon();
}

// Often enough for the shortest lifetime; sooner than planned where a VTEP has come since.
void Agent::tick_soon()
{
    auto wait = std::chrono::seconds(30);
    for (const auto &vtep : vteps_)
        for (const auto lifetime : {vtep.ageing, vtep.reachable_time})
            if (lifetime != 0)
                wait = std::min(wait, std::chrono::seconds(std::max(lifetime / 4, 1U)));
    if (ticking_)
        return;
    if (next_tick_ && next_tick_->first <= Loop::Clock::now() + wait)
        return;
    if (next_tick_)
        loop_.cancel(*next_tick_);
    next_tick_ = loop_.after(wait, [this] { tick(); });
}

void Agent::tick_device(const VtepInfo &vtep, const TableCopy &tables, Time read)
{
    const auto of_vtep = [&](const Key &key) { return key.vni == vtep.vni; };
    const auto &[entries, neighbours] = tables;
    const auto renew = [&](const Key &key, const Held &held) {
        if (directory_->watches())
            write_soon(key, held.record, {});
        else if (held.sources.contains(key))
            rechecks_.insert(key);
    };
    // Keys of MACs sort before those of IPs.
    for (auto at = held_.lower_bound(Key{vtep.vni, Mac{}});
         at != held_.end() && of_vtep(at->first);) {
        const auto &[key, held] = *at;
        if (held.written >= read) {
            ++at;
            continue;
        }
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
        const auto updated = ip == nullptr                   ? entry->second.updated
                             : neighbour == neighbours.end() ? 0
                                                             : neighbour->second;
        if (lifetime != 0 && updated >= lifetime / 2 && updated > 0 && used_since(entry->second))
            renew(key, held);
        ++at;
    }
    recheck_more();
}

void Agent::log_once(const std::string &what)
{
    constexpr std::size_t most = 1000; // a hostile directory has many ways to be wrong
    if (logged_.size() < most && logged_.try_emplace(what, Loop::Clock::now()).second)
        log_warning("{}", what);
}

} // namespace xvtep::agent
