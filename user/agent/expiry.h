// SPDX-License-Identifier: GPL-2.0-only
// Reads the tables again and again, often enough to renew entries before they expire.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "user/agent/host.h"
#include "user/agent/timers.h"

namespace xvtep::agent {

class Expiry {
  public:
    // The tables of a VTEP as they were at the time `read`.
    using OnTables =
        std::function<void(const VtepInfo &vtep, const TableCopy &tables, Timers::Time read)>;

    Expiry(Timers &timers, Host &host);
    ~Expiry();
    Expiry(const Expiry &) = delete;
    Expiry &operator=(const Expiry &) = delete;

    // `before` is called before each read and says whether there is anything to read for;
    // `on_tables` once for each VTEP; `after` in the end.
    std::function<bool()> before;
    OnTables on_tables;
    std::function<void()> after;

    // Reads now.
    void start();
    // The VTEPs, whose shortest lifetime gives the pause between two reads.
    void set_vteps(std::vector<VtepInfo> vteps);

  private:
    void read();
    void got(std::map<std::string, TableCopy> copies, Timers::Time read);
    void finish();
    void schedule();
    [[nodiscard]] std::chrono::seconds pause() const;

    Timers &timers_;
    Host &host_;
    std::vector<VtepInfo> vteps_;
    std::optional<Timers::Timer> timer_;
    bool reading_ = false;
};

} // namespace xvtep::agent
