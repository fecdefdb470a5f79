// SPDX-License-Identifier: GPL-2.0-only
// Where frames end: programs that count or keep and then drop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/frame.h"
#include "user/base/result.h"

struct sinks_bpf;

namespace xvtep::bench {

enum class Hook { tc, xdp }; // TC ingress; native XDP

struct Captured {
    unsigned count = 0; // IPv4 UDP frames since capture() began
    Frame last;
};

class Sink {
  public:
    static Result<Sink> open();

    // From now on counts what comes to the device; several devices share the count. Call again to
    // go back from capture().
    Result<> count(const std::string &netns, const std::string &device, Hook hook);
    Result<> capture(const std::string &netns, const std::string &device, Hook hook);
    // TC ingress only: counts and lets pass.
    Result<> watch(const std::string &netns, const std::string &device);

    [[nodiscard]] std::uint64_t counted() const;
    [[nodiscard]] Captured captured() const;
    [[nodiscard]] Captured wait_captured(unsigned frames) const; // or 200 ms

  private:
    Result<> put(const std::string &netns, const std::string &device, Hook hook, int program);
    std::shared_ptr<sinks_bpf> skeleton_;
};

// Attaches a TC program at the ingress of a device, in place of one that this attached before.
Result<> attach_tc_ingress(const std::string &netns, const std::string &device, int program);

} // namespace xvtep::bench
