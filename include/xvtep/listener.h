// SPDX-License-Identifier: GPL-2.0-only
// Misses of the VTEPs of this network namespace, as callbacks. The kernel's device reports the same
// over netlink (RTM_GETNEIGH, "miss" in `ip monitor`): vxlan_fdb_miss(), vxlan_ip_miss(). result.h
// describes errors and processes.
#pragma once

#include <chrono>
#include <climits>
#include <cstdint>
#include <memory>
#include <string>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// The part that both kinds of miss have.
struct Miss {
    std::string ifname; // the VTEP's device, as called within 100 ms of the miss; "" if it is gone
    unsigned ifindex = 0;      // of the same device
    std::uint32_t vni = 0;     // 1 .. 2^24-1, host byte order
    std::uint16_t dstport = 0; // the VTEP's UDP port, host byte order
    std::uint64_t time = 0;    // nanoseconds of CLOCK_MONOTONIC
    std::uint16_t vlan = 0;    // of the VNI on a device with many; 0: the device has one VNI
};

// A frame to a unicast MAC was dropped: the FDB has neither an entry for the MAC nor a default
// entry. Raised by a VTEP with --l2miss.
struct L2Miss : Miss {
    Mac mac; // the frame's destination
};

// ARP or neighbour discovery asked for an IP that has no valid neighbour entry. Raised by a VTEP
// with --l3miss, and proxy or rsc.
struct L3Miss : Miss {
    Ip ip; // the address asked for
};

// Receives misses, on the thread that calls MissSource::poll() and within that call. A listener may
// call the library (to write the missing entry, say), but not the MissSource.
class MissListener {
  public:
    virtual ~MissListener() = default;
    virtual void on_l2miss(const L2Miss &) {}
    virtual void on_l3miss(const L3Miss &) {}
};

// One subscription. Each subscriber has a queue of its own and sees every miss; a miss is raised at
// most once a second for each key (VTEP, kind and address). One thread at a time may use it, in the
// network namespace it was opened in. If the process is killed, the next command that changes state
// removes what it left.
class MissSource {
  public:
    // Subscribes to the misses of one VTEP's device, or ("") of all VTEPs of the namespace,
    // including those attached later.
    // Errors: ENOENT: nothing is attached; ENOSPC: there are 16 listeners already.
    static Result<MissSource> open(const std::string &ifname = "");

    // Waits for misses, hands up to `most` to the listener and returns how many: 0 at the timeout
    // (negative: no timeout) or when a signal came. An exception of the listener passes through.
    // Errors: ENODEV: the last VTEP of the namespace was detached, so no more misses will come.
    Result<unsigned> poll(MissListener &listener, std::chrono::milliseconds timeout,
                          unsigned most = UINT_MAX);

    // A descriptor that is readable while misses wait, for an event loop. Call poll() now and then
    // as well: the descriptor does not become readable when the VTEPs are detached, and a wakeup
    // can be lost if somebody changes the tap device that carries it.
    [[nodiscard]] int fd() const;

    // The number of misses of these VTEPs, since this subscription was opened, that were lost
    // because a listener's queue was full.
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
