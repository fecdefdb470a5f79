// SPDX-License-Identifier: GPL-2.0-only
// An HTTP server for Prometheus (GET /metrics) and for health checks (GET /healthz).
#pragma once

#include <memory>
#include <string>

#include "user/agent/metrics.h"
#include "user/base/result.h"

namespace xvtep::agent {

class MetricsServer {
  public:
    // `address`: "127.0.0.1:9469", "[::1]:9469" or ":9469". Serves in a thread of its own, in the
    // caller's network namespace, until the object is destroyed.
    // Errors: usage: not an address with a port.
    static Result<std::unique_ptr<MetricsServer>> start(const std::string &address,
                                                        const Metrics &metrics);
    ~MetricsServer();
    MetricsServer(const MetricsServer &) = delete;
    MetricsServer &operator=(const MetricsServer &) = delete;

  private:
    struct Impl;
    explicit MetricsServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace xvtep::agent
