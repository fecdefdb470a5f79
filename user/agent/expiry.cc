// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/expiry.h"

#include <algorithm>
#include <utility>

namespace xvtep::agent {

Expiry::Expiry(Timers &timers, Host &host) : timers_(timers), host_(host)
{
}

Expiry::~Expiry()
{
    if (timer_)
        timers_.cancel(*timer_);
}

void Expiry::start()
{
    if (timer_)
        timers_.cancel(*timer_);
    read();
}

void Expiry::set_vteps(std::vector<VtepInfo> vteps)
{
    vteps_ = std::move(vteps);
    schedule();
}

void Expiry::read()
{
    timer_.reset();
    reading_ = true;
    if (!before())
        return finish();
    host_.read([this, read = timers_.now()](Result<std::map<std::string, TableCopy>> copies) {
        if (copies) // otherwise the next read tries again
            got(std::move(*copies), read);
        finish();
    });
}

void Expiry::got(std::map<std::string, TableCopy> copies, Timers::Time read)
{
    for (const auto &vtep : vteps_) {
        const auto copy = copies.find(vtep.name);
        if (copy == copies.end())
            continue;
        // If two VTEPs have one VNI, an entry lives as long as it is in the table of either.
        for (const auto &other : vteps_)
            if (other.vni == vtep.vni && other.name != vtep.name)
                copy->second.fdb.insert(copies[other.name].fdb.begin(),
                                        copies[other.name].fdb.end());
        on_tables(vtep, copy->second, read);
    }
}

void Expiry::finish()
{
    after();
    reading_ = false;
    schedule();
}

// Reads four times in the shortest lifetime; sooner than planned if a VTEP has come since.
void Expiry::schedule()
{
    if (reading_)
        return;
    const auto wait = pause();
    if (timer_ && timer_->first <= timers_.now() + wait)
        return;
    if (timer_)
        timers_.cancel(*timer_);
    timer_ = timers_.after(wait, [this] { read(); });
}

std::chrono::seconds Expiry::pause() const
{
    auto pause = std::chrono::seconds(30);
    for (const auto &vtep : vteps_)
        for (const auto lifetime : {vtep.ageing, vtep.reachable_time})
            if (lifetime != 0)
                pause = std::min(pause, std::chrono::seconds(std::max(lifetime / 4, 1U)));
    return pause;
}

} // namespace xvtep::agent
