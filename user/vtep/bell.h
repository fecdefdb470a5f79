// SPDX-License-Identifier: GPL-2.0-only
// What wakes a listener for misses: a tap device in the VTEPs' namespace, to which bpf/miss.h sends
// a copy of a frame. It goes with its descriptor, and so with the process.
#pragma once

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

constexpr const char *bell_name = "xvtep-bell"; // and a number

class Bell {
  public:
    // In the calling thread's namespace; up, and silent itself.
    static Result<Bell> hang();

    [[nodiscard]] int fd() const { return fd_.get(); } // readable: it has rung
    [[nodiscard]] int ifindex() const { return ifindex_; }
    [[nodiscard]] bool hush() const; // until it rings again; false: it is gone

  private:
    Fd fd_;
    int ifindex_ = 0;
};

} // namespace xvtep
