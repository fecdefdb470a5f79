// SPDX-License-Identifier: GPL-2.0-only
// Reports that devices of the network namespace were added, removed or changed (RTNLGRP_LINK).
#pragma once

#include <functional>

#include "user/agent/loop.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::agent {

class LinkEvents {
  public:
    // Calls `changed` 5 ms after the first of a burst of changes, and at most ten times a second,
    // because a host behind a port can cause changes.
    static Result<std::unique_ptr<LinkEvents>> open(Loop &loop, std::function<void()> changed);
    ~LinkEvents();
    LinkEvents(const LinkEvents &) = delete;
    LinkEvents &operator=(const LinkEvents &) = delete;

  private:
    LinkEvents(Loop &loop, Fd socket, std::function<void()> changed);
    void drain();

    Loop &loop_;
    Fd socket_;
    std::function<void()> changed_;
    Loop::Timer timer_{};
    Loop::Clock::time_point last_{};
    bool waiting_ = false;
};

} // namespace xvtep::agent
