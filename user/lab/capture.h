// SPDX-License-Identifier: GPL-2.0-only
// Captures frames at a device, and parses them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep {

struct Frame {
    std::vector<std::uint8_t> bytes; // the first few hundred
    bool outgoing = false;
    std::optional<std::uint16_t> vlan; // of the outermost tag, which is taken out of `bytes`
};

// Collects frames from open() on.
class Capture {
  public:
    // In the calling thread's namespace. Index 0: all devices.
    static Result<Capture> open(int ifindex);
    // The frames since the last call.
    std::vector<Frame> drain();

  private:
    explicit Capture(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

struct EchoHeader {
    bool request = false;
    std::uint16_t id = 0;
    std::uint16_t sequence = 0;
};

// An Ethernet frame with IPv4 or IPv6 in it.
struct Packet {
    Mac source, destination;
    Ip from, to;
    unsigned ttl = 0;
    bool df = false; // IPv4
    std::optional<EchoHeader> echo;
    struct Udp {
        std::uint16_t source = 0, destination = 0;
    };
    std::optional<Udp> udp;
    std::span<const std::uint8_t> payload; // behind the UDP header
};

// A frame in VXLAN. The inner frame may be of any kind.
struct Encapsulated {
    Packet outer;
    std::uint32_t vni = 0;
    std::span<const std::uint8_t> inner;
};

struct VxlanPacket {
    Packet outer;
    std::uint32_t vni = 0;
    Packet inner;
};

// The results refer to the frame's bytes. Of a fragmented packet, only the first part is parsed.
std::optional<Packet> parse_packet(std::span<const std::uint8_t> frame);
std::optional<Encapsulated> parse_encapsulated(std::span<const std::uint8_t> frame);
std::optional<VxlanPacket> parse_vxlan(std::span<const std::uint8_t> frame);

// Sends a frame on a device, unchanged. In the calling thread's namespace.
Result<> send_frame(int ifindex, std::span<const std::uint8_t> bytes);

} // namespace xvtep
