// SPDX-License-Identifier: GPL-2.0-only
// Frames as cases compare them: what may differ from run to run is set to 0, what has to be right
// is checked and then set to a constant.
#pragma once

#include <optional>
#include <string>

#include "tests/program/packet.h"

namespace xvtep::conformance {

using test::Bytes;

struct Normal {
    Bytes frame;
    std::optional<unsigned> source_port{}; // of UDP on the wire
    std::string wrong{};                   // checksums that are not right
};

// A frame of the underlay: IP id, UDP source port and a right UDP checksum (0xffff) are constants.
Normal normal_wire(Bytes frame);
// An inner frame, or ARP or ICMP from the endpoint itself: the IP id of ICMP is a constant.
Normal normal_inner(Bytes frame);

// Ethertype and protocol of what the cases look at on the wire: UDP, and fragments of it.
bool is_underlay_udp(const Bytes &frame);

std::string hex(const Bytes &frame);

} // namespace xvtep::conformance
