// SPDX-License-Identifier: GPL-2.0-only
// Frames of the differential fuzz: what goes in, and what comes out in a form that can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xvtep::differential {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

// Where a frame goes in or comes out: the underlay wire, two containers of VNI 42, one of VNI 43,
// a trunk with a VLAN for each of the two VNIs, or the VTEP's device of VNI 42 itself.
enum class Side : std::uint8_t { wire, c0, c1, c2, trunk, host };
inline constexpr std::size_t sides = 6;
const char *side_name(Side side);
std::optional<Side> side_of_name(const std::string &name);

// The virtio-net header that goes with a frame, numbers in host byte order: packets that are to be
// segmented, and checksums that somebody else is to finish.
struct Shape {
    std::uint8_t flags = 0; // 1: the checksum from `csum_start` on is to be finished
    std::uint8_t type = 0;  // of segmentation, VIRTIO_NET_HDR_GSO_*
    std::uint16_t headers = 0, size = 0, csum_start = 0, csum_offset = 0;
    bool operator==(const Shape &) const = default;
};

struct Frame {
    Side side = Side::wire;
    Bytes bytes{};
    Shape shape{};
    std::uint32_t mark = 0; // the packet mark; for Side::host alone
    std::string what{};     // the template and the mutations, for people
};

struct Seen {
    Side side = Side::wire;
    Bytes frame{};
    std::uint16_t source_port = 0; // UDP, of VXLAN on the wire; not compared
    std::string wrong{};           // checksums that are not right
    bool operator==(const Seen &other) const
    {
        return side == other.side && frame == other.frame && wrong == other.wrong;
    }
};

// The headers of an Ethernet frame as far as they can be read. Offsets from the frame's start.
struct Headers {
    unsigned type = 0;           // behind all tags
    unsigned tags = 0;           // VLAN tags
    std::size_t network = 0;     // offset of what follows the type
    bool v4 = false, v6 = false; // and long enough for that header
    unsigned protocol = 0;       // behind no IPv6 extension header but that of fragments
    std::size_t transport = 0;   // offset; 0: none, or not within the frame
    bool fragment = false, later_fragment = false;
    unsigned tos = 0;
};
Headers headers(View frame);

// The VXLAN headers of a frame of the underlay.
struct Tunnel {
    std::size_t ip = 0, udp = 0, vxlan = 0, inner = 0; // offsets
    std::uint32_t flags = 0, vni = 0;                  // host byte order
    Headers outer{}, in{}; // `in` has offsets from the inner frame's start
};
// Nothing if it is no VXLAN packet (UDP, not a later fragment) with a whole VXLAN header.
std::optional<Tunnel> tunnel(View frame, unsigned port = 4789);

unsigned get16(View frame, std::size_t at); // 0 behind the end
void set16(Bytes &frame, std::size_t at, unsigned value);
std::uint16_t checksum(View bytes, std::uint32_t sum = 0); // RFC 1071, to be stored as it is
bool header_checksum_right(View frame, const Headers &at);
// Of UDP over IPv4 or IPv6: whether there is one, and it is right for UDP's own length.
bool udp_checksum_right(View frame, const Headers &at);
void fix_ipv4_checksum(Bytes &frame, std::size_t ip);
void fix_udp_checksum(Bytes &frame, const Headers &at);

// What may differ from run to run is made a constant, and what has to be right is checked.
Seen normal(Side side, Bytes frame);

// A TCP or UDP packet as segmentation makes it, with payloads of `size`, and with checksums that
// are finished. `size` 0: it is not segmented.
std::vector<Bytes> segments(const Bytes &frame, std::size_t size);

std::string hex(View frame);
Bytes from_hex(const std::string &text);

} // namespace xvtep::differential
