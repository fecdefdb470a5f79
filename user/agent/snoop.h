// SPDX-License-Identifier: GPL-2.0-only
// ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861 4.3, 4.4; RFC 4862 5.4) of the hosts
// behind a local port: reads the addresses that they have and ask for, and makes the frames that
// answer them or tell them of addresses that have moved (RFC 5227 3, RFC 4861 7.2.6).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep::agent {

struct Heard {
    Mac mac;
    Ip ip;
    std::uint16_t vlan = 0;     // 0: untagged
    std::optional<Ip> wanted{}; // asked for
};

// Parses an Ethernet frame without VLAN tag. Returns the addresses that the sender says it has, or
// nothing if it does not say so. Frames of proxies, which speak for other hosts, are ignored.
std::optional<Heard> parse_frame(std::span<const std::uint8_t> frame);

// The frame that answers a request: the address `request.wanted` is at `mac`.
std::vector<std::uint8_t> answer_frame(const Heard &request, const Mac &mac);

// The unsolicited frame that tells all hosts behind a port that the address is at `mac` now.
std::vector<std::uint8_t> announcement_frame(const Ip &ip, const Mac &mac, std::uint16_t vlan);

// Opens a non-blocking packet socket for the ARP and neighbour discovery frames that arrive at a
// device.
Result<Fd> open_snoop(int ifindex);
// Reads the frames that wait, at most `most`, and calls `heard` for those that parse_frame() takes.
void read_snoop(const Fd &socket, unsigned most, const std::function<void(const Heard &)> &heard);

} // namespace xvtep::agent
