// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/agent.h"

namespace xvtep::agent {

using namespace std::chrono_literals;

Agent::Agent(Timers &timers, Host &host, Metrics &metrics, AgentOptions options)
    : timers_(timers), host_(host), metrics_(metrics), announces_(options.announce),
      resolver_(timers, host, metrics, own_, *this, options.resolver), expiry_(timers, host)
{
    expiry_.before = [this] { return resolver_.flush(); };
    expiry_.on_tables = [this](const auto &vtep, const auto &tables, auto read) {
        resolver_.expire(vtep, tables, read);
    };
    expiry_.after = [this] { resolver_.forget_old(); };
}

void Agent::start(Directory &directory)
{
    directory_ = &directory;
    resolver_.use(directory);
    refresh();
    resolver_.adopt();
    resync();
    if (own_.all() && announces_)
        directory_->announce(*own_.all());
    expiry_.start();
}

void Agent::refresh()
{
    const auto vteps = host_.vteps();
    refreshed_ = timers_.now();
    resolver_.set_vteps(vteps);
    if (directory_ == nullptr)
        return;
    std::set<std::uint32_t> vnis;
    for (const auto &vtep : vteps)
        vnis.insert(vtep.vni);
    directory_->watch(vnis);
    expiry_.set_vteps(vteps);
}

void Agent::announce(const std::set<Record> &own)
{
    if (!own_.set(own))
        return;
    for (const auto &record : own)
        if (record.ip)
            resolver_.heard({record.vni, *record.ip}, record.mac);
    if (!announces_)
        return;
    metrics_.announced = own.size();
    if (directory_ != nullptr)
        directory_->announce(own);
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
    if (!resolver_.serves(key.vni)) {
        // The VTEP may have been attached a moment ago. It may as well be one that this agent does
        // not serve, and such misses may be many.
        if (timers_.now() - refreshed_ < 50ms)
            return;
        refresh();
        if (!resolver_.serves(key.vni))
            return;
    }
    // Both clocks are CLOCK_MONOTONIC.
    resolver_.missed(key, Timers::Time{std::chrono::nanoseconds(miss.time)});
}

void Agent::changed(const Key &key, const std::optional<Record> &record)
{
    resolver_.changed(key, record, record && claim(key, *record));
}

// Gives the endpoint up if it is one of this host's own and another host has announced it.
bool Agent::claim(const Key &key, const Record &record)
{
    if (!own_.is_claimed(key, record, host_))
        return false;
    if (const auto *ip = std::get_if<Ip>(&key.what); ip != nullptr && claimed_ip)
        claimed_ip(key.vni, *ip);
    else if (ip == nullptr && claimed)
        claimed(key.vni, record.mac);
    return true;
}

void Agent::resync()
{
    resolver_.resync();
}

void Agent::written(const Record &record, const WriteReason &reason)
{
    if ((reason.missed || reason.awaited) && installed)
        installed(record);
    if (reason.moved && moved)
        moved(record);
}

} // namespace xvtep::agent
