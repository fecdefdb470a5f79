// SPDX-License-Identifier: GPL-2.0-only
// The host under test between two wires whose other ends the test holds.
//
//   test ── w0 ═══ u0 │ VTEP ── br0 ── c0 │ ═══ a0 ── test
//                     │              └ c1 │ ═══ a1 ── test
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/conformance/case.h"
#include "user/base/fd.h"
#include "xvtep/netns.h"

namespace xvtep::conformance {

inline constexpr const char *sut_mac = "02:11:00:00:00:01";    // u0
inline constexpr const char *device_mac = "02:11:00:00:00:42"; // every VTEP's device

struct Seen {
    Side side;
    Bytes frame;
    std::optional<unsigned> source_port{};
    std::uint32_t mark = 0;
    std::string wrong{};
};

// A packet socket on one device.
class Tap {
  public:
    Tap(const Netns &netns, const std::string &ifname);
    void send(const Bytes &frame, std::uint32_t mark = 0) const;
    // What has come, frames of the taps' own markers included.
    struct Frame {
        Bytes bytes;
        std::uint32_t mark;
    };
    [[nodiscard]] std::optional<Frame> receive() const;
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    Fd fd_;
};

// Namespaces and wires; they serve one case after the other.
class Lab {
  public:
    explicit Lab(System system);
    Lab(const Lab &) = delete;
    Lab &operator=(const Lab &) = delete;
    ~Lab();

    void set_up(const Setup &setup);
    void tear_down();

    // The words of `bridge fdb` or `ip neigh`; 0 or the exit status, and what was said.
    struct Answer {
        int status;
        std::string text;
    };
    Answer table(const std::string &words) const;
    // The table's lines, sorted, with what only one of the two prints taken away.
    [[nodiscard]] std::vector<std::string> fdb(const std::string &ifname) const;
    Answer run(const std::string &command) const; // in the host's namespace

    void send(Side side, const Bytes &frame, std::uint32_t mark);
    // Everything that came out, once whatever is on its way has arrived. Waits for `expected`
    // frames only where they are late.
    std::vector<Seen> collect(std::size_t expected);

    void monitor(); // starts to listen for misses on vxlan0
    std::vector<std::string> misses(std::size_t expected);

  private:
    void make(const Device &device, const Setup &setup) const;
    void settle();
    void drain(std::vector<Seen> &into);
    bool pass(const Tap &from, const Tap &to);
    [[nodiscard]] std::string xvtep() const;

    System system_;
    std::string sut_name_, wire_name_;
    std::optional<Netns> sut_, wire_;
    std::unique_ptr<Tap> w0_, u0_, a0_, c0_, a1_, host_;
    std::vector<Seen> seen_;
    std::vector<std::string> devices_;
    std::uint32_t marker_ = 0;
    unsigned mtu_ = 1500;
    Fd monitor_;
    pid_t monitor_pid_ = -1;
    std::string heard_;
};

} // namespace xvtep::conformance
