// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace xvtep {

// Many table entries at once: while one lives, the calls of its thread that write fdb and neigh
// entries share one lock, one repair and one set of descriptors, for a second at a time (others
// want the lock too). Several on one thread count as one. Any other call that changes something,
// or a change of namespace, gives the lock back first.
//
// Each call still succeeds or fails for itself: a batch is no transaction.
class Batch {
  public:
    Batch();
    ~Batch(); // on the thread that made it
    // Gives the lock back now: before waiting for more to do. The next write takes it again.
    static void unlock();
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
};

} // namespace xvtep
