// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace xvtep {

// While one lives, this thread's table commands share one lock, one repair and one set of
// descriptors, for a second at a time: others want the lock too.
class Batch {
  public:
    Batch();
    ~Batch();
    static void rest(); // gives the lock back: nothing to do for now
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
};

} // namespace xvtep
