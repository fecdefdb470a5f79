// SPDX-License-Identifier: GPL-2.0-only
// Writes changes to the FDB and neighbour tables: all that come in one turn of the event loop at
// once, and of several changes of a key the last one.
#pragma once

#include <map>
#include <optional>

#include "user/agent/host.h"
#include "user/agent/log_once.h"
#include "user/agent/metrics.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

// Why a record is written.
struct WriteReason {
    std::optional<Timers::Time> missed{}; // when the data path missed the key, if it did
    bool awaited = false; // a host asked for the key lately, and it was unknown then
    bool moved = false;   // hosts may know the endpoint at another place
};

class TableWriter {
  public:
    struct Client {
        virtual ~Client() = default;
        // The record is in the tables.
        virtual void written(const Record &record, const WriteReason &reason) = 0;
    };

    TableWriter(Timers &timers, Host &host, Metrics &metrics, LogOnce &log, Client &client);
    ~TableWriter();
    TableWriter(const TableWriter &) = delete;
    TableWriter &operator=(const TableWriter &) = delete;

    void write(const Change &change, const WriteReason &reason = {});
    // Writes what waits, without waiting for the loop.
    void flush();

  private:
    struct Due {
        std::optional<Record> record; // nothing: the key is removed
        WriteReason reason;
    };

    void written(const Key &key, const Due &due, const Result<> &result);

    Timers &timers_;
    Host &host_;
    Metrics &metrics_;
    LogOnce &log_;
    Client &client_;
    std::map<Key, Due> due_;
    std::optional<Timers::Timer> flush_timer_;
};

} // namespace xvtep::agent
