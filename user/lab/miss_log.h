// SPDX-License-Identifier: GPL-2.0-only
// The misses of a namespace's VTEPs, as a thread hears them.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "user/base/result.h"
#include "user/lab/node.h"
#include "xvtep/listener.h"

namespace xvtep {

struct LoggedMiss {
    // When this process heard it. The miss's own time is of the kernel's coarse clock.
    std::chrono::steady_clock::time_point when;
    std::string text; // "vxlan0 misses 10.20.1.3"
};

class MissLog : private MissListener {
  public:
    static Result<std::unique_ptr<MissLog>> start(LabNode &node);

    // The misses since the last call.
    std::vector<LoggedMiss> take();

  private:
    MissLog(LabNode &node, MissSource source);
    void on_l2miss(const L2Miss &miss) override;
    void on_l3miss(const L3Miss &miss) override;
    void add(const std::string &device, const std::string &address);

    std::mutex mutex_;
    std::vector<LoggedMiss> misses_;
    std::jthread thread_; // the last member: it uses the others
};

} // namespace xvtep
