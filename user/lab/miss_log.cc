// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/miss_log.h"

#include <utility>

namespace xvtep {

namespace {

constexpr std::chrono::milliseconds listen_timeout{20};

} // namespace

Result<std::unique_ptr<MissLog>> MissLog::start(LabNode &node)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    auto source = MissSource::open();
    if (!source)
        return system_failure("monitor", node.name, source.error().message());
    return std::unique_ptr<MissLog>(new MissLog(node, std::move(*source)));
}

MissLog::MissLog(LabNode &node, MissSource source)
    : thread_([this, &node, moved = std::make_shared<MissSource>(std::move(source))](
                  const std::stop_token &stop) mutable {
          if (const auto scope = node.netns.enter()) {
              while (!stop.stop_requested() && moved->poll(*this, listen_timeout)) {
              }
              moved.reset(); // unsubscribes in the namespace
          }
      })
{
}

void MissLog::on_l2miss(const L2Miss &miss)
{
    add(miss.ifname, miss.mac.text());
}

void MissLog::on_l3miss(const L3Miss &miss)
{
    add(miss.ifname, miss.ip.text());
}

void MissLog::add(const std::string &device, const std::string &address)
{
    const std::lock_guard lock(mutex_);
    misses_.push_back({std::chrono::steady_clock::now(), device + " misses " + address});
}

std::vector<LoggedMiss> MissLog::take()
{
    const std::lock_guard lock(mutex_);
    return std::exchange(misses_, {});
}

} // namespace xvtep
