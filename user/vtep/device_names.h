// SPDX-License-Identifier: GPL-2.0-only
// The names of devices by their interface indexes.
#pragma once

#include <linux/types.h>

#include <cstdint>
#include <string>
#include <unordered_map>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

// Names for one command: each is asked for once, when it is first wanted.
class DeviceNames {
  public:
    // Keeps a socket of the calling thread's namespace; if_indextoname(3) would open one each time.
    static Result<DeviceNames> open();
    // Returns "" if no device has that index.
    [[nodiscard]] const std::string &of(__u32 ifindex) const;

  private:
    explicit DeviceNames(Fd socket) : socket_(std::move(socket)) {}

    Fd socket_;
    mutable std::unordered_map<__u32, std::string> names_;
};

// Names for a listener that runs for long: each is asked for at most every 100 ms, because asking
// takes a seventh of the time from a miss to its callback.
class DeviceNameCache {
  public:
    static Result<DeviceNameCache> open();
    // `now`: nanoseconds of CLOCK_MONOTONIC. Returns "" if the device is gone.
    const std::string &of(__u32 ifindex, std::uint64_t now);

  private:
    explicit DeviceNameCache(Fd socket) : socket_(std::move(socket)) {}

    struct Name {
        std::string text;
        std::uint64_t asked = 0; // 0: never
    };
    Fd socket_;
    std::unordered_map<__u32, Name> names_;
};

} // namespace xvtep
