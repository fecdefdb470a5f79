// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/table_writer.h"

#include <utility>
#include <vector>

#include "user/agent/log.h"

namespace xvtep::agent {

TableWriter::TableWriter(Timers &timers, Host &host, Metrics &metrics, LogOnce &log, Client &client)
    : timers_(timers), host_(host), metrics_(metrics), log_(log), client_(client)
{
}

TableWriter::~TableWriter()
{
    if (flush_timer_)
        timers_.cancel(*flush_timer_);
}

void TableWriter::write(const Change &change, const WriteReason &reason)
{
    auto &due = due_[change.key];
    const bool moved = due.reason.moved; // hosts have not been told of it yet
    due = {change.record, reason};
    due.reason.moved |= moved;
    if (!flush_timer_)
        flush_timer_ = timers_.after({}, [this] { flush(); });
}

void TableWriter::flush()
{
    if (flush_timer_)
        timers_.cancel(*flush_timer_);
    flush_timer_.reset();
    if (due_.empty())
        return;
    const auto all = std::exchange(due_, {});
    std::vector<Change> changes;
    changes.reserve(all.size());
    for (const auto &[key, due] : all)
        changes.push_back({key, due.record});
    const auto results = host_.write(changes);
    auto result = results.begin();
    for (const auto &[key, due] : all)
        if (result != results.end())
            written(key, due, *result++);
}

void TableWriter::written(const Key &key, const Due &due, const Result<> &result)
{
    if (!result) {
        metrics_.write_errors++;
        log_.warn(result.error().message());
        return;
    }
    if (!due.record) {
        metrics_.removals++;
        return;
    }
    metrics_.writes++;
    log_debug("{} is {} behind {}", key.text(), due.record->mac.text(), due.record->vtep.text());
    if (due.reason.missed)
        metrics_.miss_time.add(timers_.now() - *due.reason.missed);
    client_.written(*due.record, due.reason);
}

} // namespace xvtep::agent
