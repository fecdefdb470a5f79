// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <map>
#include <string>

#include "user/agent/timers.h"

namespace xvtep::agent {

// Warnings that repeat: each text is logged once in ten minutes. The number of texts that are
// remembered is bounded, because a hostile directory can cause ever new ones; the rest are dropped.
class LogOnce {
  public:
    explicit LogOnce(const Timers &timers) : timers_(timers) {}

    void warn(const std::string &text);
    void forget_old();

  private:
    const Timers &timers_;
    std::map<std::string, Timers::Time> logged_; // when
};

} // namespace xvtep::agent
