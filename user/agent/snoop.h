// SPDX-License-Identifier: GPL-2.0-only
// Hears what the hosts behind a local port say of their own addresses and ask of others': ARP
// (RFC 826, RFC 5227) and neighbour discovery (RFC 4861 4.3, 4.4; RFC 4862 5.4). And answers them,
// and tells them of addresses that have moved (RFC 5227 3, RFC 4861 7.2.6).
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

// Of an Ethernet frame without its tag: who its sender says it is, if it says so. Proxies, which
// speak of others, are not heard.
std::optional<Heard> parse_frame(std::span<const std::uint8_t> frame);

// The frame that answers whoever asked (`asker.wanted`): that address is at `mac`.
std::vector<std::uint8_t> answer_frame(const Heard &asker, const Mac &mac);

// The frame that tells everybody behind a port, unasked, that the address is at `mac` now.
std::vector<std::uint8_t> announcement_frame(const Ip &ip, const Mac &mac, std::uint16_t vlan);

// Frames that arrive at a device, in a non-blocking packet socket.
Result<Fd> open_snoop(int ifindex);
// Everything that waits, at most `most` frames.
void read_snoop(const Fd &socket, unsigned most, const std::function<void(const Heard &)> &heard);

} // namespace xvtep::agent
