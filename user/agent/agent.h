// SPDX-License-Identifier: GPL-2.0-only
// The agent: it looks up misses in the directory and writes the answers to the tables.
//
//   miss ─▶ in the cache? ──yes──▶ table writer (written again)
//             │no
//             ├─ pending, or in the negative cache ─▶ nothing
//             └─▶ pending look-up ─▶ directory ─▶ found ─▶ checked ─▶ cache ─▶ table writer
//                      ▲                 │        absent ─▶ negative cache
//                      └── back-off ── error
//   directory: changed ─▶ in the cache? ─▶ table writer      resync ─▶ all cached keys look up
//   again expiry: entries in use are renewed before they expire; expired entries leave the cache
#pragma once

#include <functional>
#include <optional>
#include <set>

#include "user/agent/directory.h"
#include "user/agent/expiry.h"
#include "user/agent/host.h"
#include "user/agent/metrics.h"
#include "user/agent/own_endpoints.h"
#include "user/agent/resolver.h"
#include "xvtep/listener.h"

namespace xvtep::agent {

struct AgentOptions {
    bool announce = true; // this host's endpoints, to the directory
    ResolverOptions resolver;
};

class Agent : public Directory::Client, public MissListener, private TableWriter::Client {
  public:
    Agent(Timers &timers, Host &host, Metrics &metrics, AgentOptions options = {});

    // Takes over the entries that an earlier agent wrote, looks all of them up again, and starts to
    // renew entries.
    void start(Directory &directory);
    // The VTEPs of the host may have changed.
    void refresh();

    // Announces this host's own endpoints: the whole set, each time.
    void announce(const std::set<Record> &own);
    // Another host has announced this MAC or IP, which is one of the host's own.
    std::function<void(std::uint32_t vni, const Mac &mac)> claimed;
    std::function<void(std::uint32_t vni, const Ip &ip)> claimed_ip;
    // The record of a key that a host has asked for is in the tables.
    std::function<void(const Record &record)> installed;
    // Hosts behind local ports may have an old MAC or place for the IP; the tables have the new
    // one.
    std::function<void(const Record &record)> moved;

    void on_l2miss(const L2Miss &miss) override;
    void on_l3miss(const L3Miss &miss) override;
    void changed(const Key &key, const std::optional<Record> &record) override;
    void resync() override;

    [[nodiscard]] std::size_t cached() const { return resolver_.cached(); }

  private:
    void written(const Record &record, const WriteReason &reason) override;

    void missed(const Miss &miss, const Key &key);
    bool claim(const Key &key, const Record &record);

    Timers &timers_;
    Host &host_;
    Metrics &metrics_;
    const bool announces_;
    Directory *directory_ = nullptr;
    Timers::Time refreshed_{};
    OwnEndpoints own_;
    Resolver resolver_;
    Expiry expiry_;
};

} // namespace xvtep::agent
