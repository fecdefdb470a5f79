// SPDX-License-Identifier: GPL-2.0-only
// Where frames end: programs that count or keep, and then drop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/frame.h"
#include "user/base/result.h"

struct sinks_bpf;

namespace xvtep::bench {

enum class Hook { tc, xdp }; // TC ingress; native XDP

struct Arrival {
    int device = 0; // index
    Frame frame;
};

class Sink {
  public:
    static Result<Sink> open();

    // From now on takes what comes to the device; several devices share the count.
    Result<> put(const std::string &netns, const std::string &device, Hook hook);

    [[nodiscard]] std::uint64_t counted() const;

    // Instead of counting keeps IPv4 UDP frames, up to a megabyte of them, until kept() is called:
    // which waits until there are so many, but not longer than 300 ms.
    void keep();
    Result<std::vector<Arrival>> kept(std::size_t frames);

  private:
    Result<> read(std::vector<Arrival> &into);
    std::shared_ptr<sinks_bpf> skeleton_;
};

// Attaches a native XDP program to a device, in place of one that is there.
Result<> attach_xdp(const std::string &netns, const std::string &device, int program);

// Attaches a TC program at the ingress of a device, in place of one that this attached before.
Result<> attach_tc_ingress(const std::string &netns, const std::string &device, int program);

} // namespace xvtep::bench
