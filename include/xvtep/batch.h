// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace xvtep {

// Makes many calls cheap. While a Batch lives, the calls of its thread that attach VTEPs, or that
// write fdb and neigh entries, share one lock, one recovery and one set of descriptors. Once a
// second the lock is given back if other processes want it. Several batches on one thread count as
// one. Any other call that changes something gives the lock back first, and so does a write after
// the thread has changed its network namespace. Many VTEPs of an underlay port are detached by one
// call of detach() (xvtep/vtep.h), which needs no batch.
//
// A batch is no transaction: each call succeeds or fails for itself.
class Batch {
  public:
    // `vteps`: about how many VTEPs the calls will attach, or 0. Tables get room for so many at
    // once; otherwise they grow step by step, and each step loads the programs anew.
    explicit Batch(unsigned vteps = 0);
    ~Batch(); // on the thread that made it
    // Gives the lock back now. Call it before waiting for more to do. The next write takes the lock
    // again.
    static void unlock();
    Batch(const Batch &) = delete;
    Batch &operator=(const Batch &) = delete;
};

} // namespace xvtep
