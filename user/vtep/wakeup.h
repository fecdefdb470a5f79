// SPDX-License-Identifier: GPL-2.0-only
// How a listener for misses sleeps until there is something to read.
#pragma once

#include <linux/types.h>

#include <optional>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/vtep/session.h"

namespace xvtep {

constexpr const char *wakeup_tap_name = "xvtep-wakeup"; // followed by a number

// A tap device in the VTEPs' namespace. bpf/miss.h sends a copy of a frame to it, which makes its
// descriptor readable. The kernel removes the device with its descriptor, and so with the process.
class WakeupTap {
  public:
    // The device is made in the calling thread's namespace. It is up, and sends nothing itself.
    static Result<WakeupTap> create();

    [[nodiscard]] int fd() const { return fd_.get(); } // readable: the programs have sent a frame
    [[nodiscard]] int ifindex() const { return ifindex_; }
    // Reads all frames, so that the next one makes fd() readable again. False: the device is gone.
    [[nodiscard]] bool drain() const;

  private:
    Fd fd_;
    int ifindex_ = 0;
};

// One descriptor that is readable while misses wait in a listener's ring buffer.
class Wakeup {
  public:
    // `listener`: its index in the map `wakeup_taps`; `ring`: its ring buffer map, which has to
    // outlive the object. Without a tap device (no /dev/net/tun) the ring buffer alone wakes.
    static Result<Wakeup> create(const Session &session, __u32 listener, const Fd &ring);

    [[nodiscard]] int fd() const { return epoll_.get(); }
    // Makes the descriptor wait for the next frame of the programs.
    void drain();
    // Says whether records are left. They raise no further wakeup, so fd() has to be readable
    // without one.
    void notify(bool records_left);

  private:
    Wakeup() = default;
    Result<> create_tap(const Session &session, __u32 listener);

    Fd epoll_; // of the ring buffer, the tap device and `left_`
    Fd left_;  // an eventfd, readable while records are left
    bool left_is_set_ = false;
    std::optional<WakeupTap> tap_;
    std::optional<Table<__u32, __u32>> taps_; // `wakeup_taps`, where the tap's index stands
    __u32 listener_ = 0;
};

} // namespace xvtep
