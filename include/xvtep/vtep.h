// SPDX-License-Identifier: GPL-2.0-only
// VTEPs of the calling thread's network namespace: attach, detach, show, reload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

constexpr std::uint16_t vxlan_port = 4789; // IANA's; Linux's own default is 8472
constexpr std::uint32_t vni_max = 0xffffff;

// How programs stand on a port. `automatic` only in requests.
enum class Mode { automatic, tc, xdp, skb };
[[nodiscard]] const char *mode_name(Mode mode); // "auto", "tc", "xdp", "skb"
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);

enum class Df { unset, set, inherit };

// A number, or "inherit" from the inner packet.
struct OrInherit {
    std::uint8_t value = 0;
    bool inherit = false;
};

struct AttachRequest {
    std::vector<std::string> devices; // the underlay ports
    std::uint32_t vni = 0;            // 1 .. 2^24-1
    std::string name;                 // "" is "xvtepN", N the VNI
    std::optional<Ip> local;
    std::optional<Ip> remote; // unicast
    std::optional<Ip> group;  // multicast
    std::uint16_t dstport = vxlan_port;
    std::uint16_t srcport_min = 49152, srcport_max = 65535; // both inclusive
    OrInherit ttl; // 0: the host's default
    OrInherit tos;
    Df df = Df::unset;
    std::uint32_t flowlabel = 0;
    bool learning = true;
    std::uint32_t ageing = 300;    // seconds since last heard of, 0: never
    std::uint32_t hard_ageing = 0; // seconds since learned, whatever is heard; 0: none
    std::uint32_t maxaddress = 0;  // FDB entries, the default entry included; 0: no bound
    bool proxy = false, rsc = false, l2miss = false, l3miss = false;
    std::uint32_t reachable_time = 30; // seconds a reachable neighbour entry lives
    bool gbp = false;
    // Bits of the VXLAN header, flags word first, that must be 0; default: all that are not used.
    std::optional<std::uint64_t> reserved_bits;
    std::optional<bool> udpcsum; // default: off on IPv4, on on IPv6
    bool udp6zerocsumtx = false;
    bool udp6zerocsumrx = false;
    std::string bridge; // "": none
    std::optional<Mac> mac;
    std::optional<unsigned> mtu;
    Mode mode = Mode::automatic;
};

// What attach made, read back from the kernel.
struct VtepInfo {
    std::vector<std::string> devices; // underlay ports, as given; "" for one that is gone
    std::uint32_t vni = 0;
    std::string name;
    int ifindex = 0;
    std::optional<Ip> local, remote, group;
    std::uint16_t dstport = 0, srcport_min = 0, srcport_max = 0;
    OrInherit ttl, tos;
    Df df = Df::unset;
    std::uint32_t flowlabel = 0;
    bool learning = false;
    std::uint32_t ageing = 0, hard_ageing = 0, maxaddress = 0;
    bool proxy = false, rsc = false, l2miss = false, l3miss = false, gbp = false;
    std::uint32_t reachable_time = 0;
    std::uint64_t reserved_bits = 0;
    bool udpcsum = false, udp6zerocsumtx = false, udp6zerocsumrx = false;
    std::string bridge; // the device's master now, or ""
    Mac mac;
    unsigned mtu = 0;
    Mode mode = Mode::tc;     // of the first underlay port
    bool auto_mode = false;   // chosen by --mode auto
    bool up = false;
};

// The bits that a VTEP with or without group policy gives a meaning to, as reserved_bits counts them.
constexpr std::uint64_t used_bits(bool gbp) { return gbp ? 0x88ffffff'ffffff00 : 0x08000000'ffffff00; }

// What attach refuses before it looks at the system: Fault::usage.
Result<> validate(const AttachRequest &request);

// Makes the VTEP's device and attaches programs to its underlay ports; all or nothing.
Result<VtepInfo> attach(const AttachRequest &request);

// Removes the VTEPs of an underlay port, or the one with `vni`. How many there were.
Result<unsigned> detach(const std::string &device, std::optional<std::uint32_t> vni);

// All VTEPs, or those of an underlay port or of one VTEP device.
Result<std::vector<VtepInfo>> show(const std::optional<std::string> &device);

// Puts this binary's programs in place of the running ones, on all ports or those of `device`'s
// VTEPs; atomic per port, tables kept. How many attachments were replaced.
Result<unsigned> reload(const std::optional<std::string> &device);

} // namespace xvtep
