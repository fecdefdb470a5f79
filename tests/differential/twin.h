// SPDX-License-Identifier: GPL-2.0-only
// A host under test, with the kernel's device or with xvtep. Two of them with the same addresses
// are the twins. All links end in a second namespace, which stands for the underlay and for the
// containers:
//
//   wire ── w0 ═══ u0 │ vxlan0 (VNI 42) ── br0 ── c0 │ ═══ a0 ── container
//                     │                        └ c1 │ ═══ a1 ── container
//                     │ vxlan1 (VNI 43) ── br1 ── c2 │ ═══ a2 ── container of another tenant
//                     │                        └ c3 │ ═══ a3 ── the trunk (xvtep), or the access
//                     │                             │           port that stands for VLAN 200
//
// A frame is sent from this process on one CPU, so that it has gone all its way when the call
// returns, and what comes out is read from rings without system calls.
#pragma once

#include <array>
#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/differential/frame.h"
#include "tests/differential/variants.h"
#include "user/base/fd.h"
#include "user/net/netlink_socket.h"
#include "xvtep/netns.h"

namespace xvtep::differential {

enum class System { kernel, xvtep };

inline constexpr const char *sut_mac = "02:11:00:00:00:01";    // u0
inline constexpr const char *device_mac = "02:11:00:00:00:42"; // vxlan0 and vxlan1
inline constexpr const char *bridge_mac = "02:11:00:00:00:b0"; // br0 and br1
inline constexpr unsigned first_vni = 42, second_vni = 43;
inline constexpr unsigned first_vlan = 100, second_vlan = 200;

// A packet socket that receives into memory which it shares with the kernel.
class Ring {
  public:
    Ring(const Netns &netns, const std::string &ifname, std::size_t slot_size);
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;
    ~Ring();

    // Sends a frame; returns errno or 0.
    int send(const Bytes &bytes, const Shape &shape, std::uint32_t mark) const;
    // The next frame that has come, with its VLAN tag where it was on the wire.
    // `unfinished`: its checksum is left to somebody else, and it may be a GSO packet.
    bool receive(Bytes &into, bool &unfinished);

  private:
    Fd receiver_, sender_;
    std::uint8_t *slots_ = nullptr;
    std::size_t slot_size_, size_ = 0, count_ = 0, next_ = 0;
};

// Until the coarse clock, by which local ports look at their sources, has gone on.
void wait_a_tick();

// A line of a forwarding database. `dst` is "local" behind a local port.
struct Row {
    unsigned vni = 0;
    std::string mac, dst;
    bool fixed = false; // static or permanent
    auto operator<=>(const Row &) const = default;
};
using Rows = std::vector<Row>; // sorted

class Twin {
  public:
    // Throws std::runtime_error where the twin cannot be made.
    Twin(System system, const Variant &variant);
    Twin(const Twin &) = delete;
    Twin &operator=(const Twin &) = delete;
    ~Twin();

    int send(const Frame &frame);
    // Adds what has come out until now.
    void collect(std::vector<Seen> &into);
    // Waits until nothing has come out for so many quarters of a millisecond, and adds what has.
    void settle(std::vector<Seen> &into, int rounds = 4);
    // Back to the tables of the beginning.
    void reset();
    // Empties the table of the VTEPs that have sent to xvtep.
    void forget_senders();
    // Makes these rows of the kernel's devices as `wanted` has them, where that is learned rows.
    void repair(const Rows &differing, const Rows &wanted);
    // The forwarding databases of the kernel's devices.
    Rows device_rows();
    // Whether a bridge has an entry for this MAC.
    bool bridge_knows(View mac);
    // Those of the programs: as bridge fdb show would print them, without local ports.
    Rows program_rows();

    void print_counters() const; // of xvtep

    // Runs a command in the host's namespace; throws if it fails.
    void run(const std::string &command) const;

  private:
    void make_links();
    void make_kernel_devices();
    void make_xvtep_devices();
    void set_far_ends() const;
    void make_entries();
    [[nodiscard]] std::string xvtep() const;
    void sh(const std::string &command) const;
    void batch(const std::string &netns, const std::vector<std::string> &lines) const;
    void add_bridge_rows(int ifindex, unsigned vni, Rows &rows);
    void forget(int ifindex, const Row &row, bool with_vni);
    static void forget_local();
    [[nodiscard]] bool has_local_ports() const
    {
        return system_ == System::xvtep && variant_.layout != Layout::bridge &&
               variant_.layout != Layout::host;
    }
    void take(Side side, Bytes &&frame, std::vector<Seen> &into) const;

    System system_;
    const Variant &variant_;
    std::string sut_name_, far_name_;
    std::optional<Netns> sut_, far_;
    std::vector<std::pair<Side, std::unique_ptr<Ring>>> rings_;
    std::array<Ring *, sides> by_side_{};
    std::optional<NetlinkSocket> netlink_;
    Bytes scratch_;
    std::size_t segment_ = 0; // of the frame that was sent last
};

} // namespace xvtep::differential
