// SPDX-License-Identifier: GPL-2.0-only
// What happened when: events of a check, misses that VTEPs raised, and what agents logged.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "user/base/result.h"
#include "user/lab/miss_log.h"
#include "user/lab/node.h"
#include "user/lab/state.h"

namespace xvtep {

class Timeline {
  public:
    // Begins now, with the misses and the agents' logs of these hosts.
    static Result<Timeline> start(const LabState &state, LabNodes &nodes,
                                  const std::set<std::string> &hosts);

    void add(std::chrono::steady_clock::time_point when, const std::string &what);
    [[nodiscard]] std::chrono::steady_clock::time_point began() const { return steady_; }

    // A line for each event, in order.
    std::string text();

  private:
    struct Host {
        std::string name;
        std::unique_ptr<MissLog> misses;
        std::string agent_log; // a file
        std::streamoff log_offset = 0;
    };

    void add_miss(const std::string &host, const LoggedMiss &miss);
    void read_log(const Host &host);
    void read_line(const std::string &host, const std::string &line);

    std::chrono::steady_clock::time_point steady_;
    std::chrono::system_clock::time_point system_;
    std::vector<Host> hosts_;
    std::vector<std::pair<double, std::string>> events_; // in milliseconds
};

} // namespace xvtep
