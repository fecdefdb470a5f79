// SPDX-License-Identifier: GPL-2.0-only
// Frames with a mark in them, by which they are recognised where they come out.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep {

struct TestFrame {
    std::vector<std::uint8_t> bytes;
    std::vector<std::uint8_t> mark; // random octets at the end

    [[nodiscard]] bool is_in(std::span<const std::uint8_t> other) const;
};

// With the EtherType for experiments (IEEE 802).
TestFrame make_test_frame(const Mac &destination, const Mac &source,
                          std::optional<std::uint16_t> vlan);
TestFrame make_arp_request(const Mac &source, const Ip &from, const Ip &to);

struct ArpReply {
    Mac mac;
    Ip ip;
};

std::optional<ArpReply> parse_arp_reply(std::span<const std::uint8_t> frame);

} // namespace xvtep
