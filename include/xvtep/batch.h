// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace xvtep {

// Makes many writes of table entries cheap. While a Batch lives, the calls of its thread that write
// fdb and neigh entries share one lock, one recovery and one set of descriptors. The lock is given
// back once a second, because other processes want it too. Several batches on one thread count as
// one. Any other call that changes something gives the lock back first, and so does a write after
// the thread has changed its network namespace.
//
// A batch is no transaction: each call succeeds or fails for itself.
class Batch {
  public:
    Batch();
    ~Batch(); // on the thread that made it
    // Gives the lock back now. Call it before waiting for more to do. The next write takes the lock
    // again.
    static void unlock();
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
};

} // namespace xvtep
