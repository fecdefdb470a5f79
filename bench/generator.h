// SPDX-License-Identifier: GPL-2.0-only
// Sends frames as fast as a core can: live XDP frames, redirected out of a device.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/frame.h"
#include "user/base/result.h"

struct generator_bpf;

namespace xvtep::bench {

// How many different ones, uniformly at random; 0 leaves the frame as it is.
struct Variety {
    unsigned flows = 0; // source ports; of frames in VXLAN the outer ones too
    unsigned macs = 0;  // destinations XX:XX:XX:00:00:00 and on
    unsigned vnis = 0;  // 1000 and on
    bool marks = false; // each frame as marked() has it, numbers from 0
};

class Generator {
  public:
    static Result<Generator> open(const std::string &netns, const std::string &device, Frame frame,
                                  bool vxlan, Variety variety = {});

    // Frames that go out at a time: a divisor of 64.
    void in_batches_of(unsigned frames) { batch_ = frames; }

    // On the calling thread's core, until all are sent; how long it took, 0 where that cannot be
    // told (64 frames or fewer).
    Result<std::chrono::duration<double>> send(unsigned frames);

    // Of the latest send(), while it goes on, too; after forget() none.
    [[nodiscard]] std::uint64_t sent() const;
    void forget();

    [[nodiscard]] const Frame &frame() const { return frame_; }

  private:
    std::string netns_, device_;
    Frame frame_;
    unsigned batch_ = 64;
    std::shared_ptr<generator_bpf> skeleton_;
};

} // namespace xvtep::bench
