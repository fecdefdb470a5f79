// SPDX-License-Identifier: GPL-2.0-only
// Misses of the VTEPs of this network namespace, as callbacks. The kernel's device says the same
// over netlink (RTM_GETNEIGH, "miss" in `ip monitor`): vxlan_fdb_miss(), vxlan_ip_miss(). Errors,
// processes: result.h.
#pragma once

#include <array>
#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
#include <string>

#include <xvtep/result.h>

namespace xvtep {

// What every miss says.
struct Miss {
    std::string ifname; // the VTEP's device, as called within 100 ms of the miss; "" if it is gone
    unsigned ifindex = 0;      // of the same
    std::uint32_t vni = 0;     // 1 .. 2^24-1, host byte order
    std::uint16_t dstport = 0; // the VTEP's UDP port, host byte order
    std::uint64_t time = 0;    // nanoseconds of CLOCK_MONOTONIC
};

// No entry for a unicast MAC, and no default entry: the frame was dropped. With --l2miss.
struct L2Miss : Miss {
    std::array<std::uint8_t, 6> mac{};          // as on the wire
    [[nodiscard]] std::string mac_text() const; // "02:00:00:00:00:01"
};

// No live neighbour entry for an IP, where proxy (or rsc) wanted one. With --l3miss.
struct L3Miss : Miss {
    std::array<std::uint8_t, 16> ip{};         // network byte order; IPv4 as ::ffff:a.b.c.d
    [[nodiscard]] std::string ip_text() const; // "10.20.1.3", "fd20::3"
};

// What hears of misses: on the thread that calls MissSource::poll(), within that call. It may call
// the library (write the entry that is missing, say), but not the MissSource.
class MissListener {
  public:
    virtual ~MissListener() = default;
    virtual void on_l2miss(const L2Miss &) {}
    virtual void on_l3miss(const L3Miss &) {}
};

// One subscription. Each subscriber has a queue of its own and sees every miss; a miss is raised at
// most once a second for each key (VTEP, kind and address). Not for several threads at once; any
// one thread may use it, in the network namespace it was opened in. A process that is killed leaves
// nothing that the next call that changes something does not remove.
class MissSource {
  public:
    // Of one VTEP's device, or ("") of all: then also of those attached later. ENOENT: nothing is
    // attached; ENOSPC: 16 listeners already.
    static Result<MissSource> open(const std::string &ifname = "");

    // Waits for misses, hands up to `most` to the listener and returns how many: 0 at the timeout
    // (negative: none) or when a signal came. ENODEV: there will be no more, for the last VTEP of
    // the namespace was detached. What the listener throws comes out of here.
    Result<unsigned> poll(MissListener &listener, std::chrono::milliseconds timeout,
                          unsigned most = UINT_MAX);

    // Readable while misses wait, for an event loop of your own; poll() now and then all the same,
    // for nothing becomes readable when the VTEPs are detached, and a wake-up can be lost where
    // somebody meddles with the tap device that it comes by.
    [[nodiscard]] int fd() const;

    // Misses of these VTEPs that some listener had no room for, since this one was opened.
    [[nodiscard]] std::uint64_t lost() const;

    MissSource(MissSource &&) noexcept;
    MissSource &operator=(MissSource &&) noexcept;
    ~MissSource(); // unsubscribes

  private:
    struct Impl;
    explicit MissSource(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace xvtep
