// SPDX-License-Identifier: GPL-2.0-only
// Says that devices of the namespace came, went or changed (RTNLGRP_LINK).
#pragma once

#include <functional>

#include "user/agent/loop.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::agent {

class LinkEvents {
  public:
    // `changed`: a moment after the first of a burst of changes, ten times a second at most:
    // whoever is behind a port can make them.
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
