// SPDX-License-Identifier: GPL-2.0-only
// The frames that the generator sends, and what has to come out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "xvtep/mac.h"

namespace xvtep::bench {

using Frame = std::vector<std::uint8_t>;

constexpr std::uint32_t vni = 42;
constexpr const char *here = "192.168.8.100";        // the host under test
constexpr const char *there = "192.168.8.101";       // the other end of the wire
constexpr const char *container_here = "10.20.1.2";  // behind `here`
constexpr const char *container_there = "10.20.1.9"; // behind `there`
constexpr Mac mac_there{{2, 0, 0, 0, 0, 9}};

// An Ethernet frame of `size` bytes, without its FCS: IPv4, UDP without checksum, a known payload.
Frame plain_frame(const Mac &to, const Mac &from, const char *from_ip, const char *to_ip,
                  std::size_t size);

// A frame, `skip` bytes into `frame`, with its number and VNI at the start of its payload.
Frame marked(Frame frame, std::uint32_t number, std::uint32_t of_vni = vni, std::size_t skip = 0);
// The number that marked() wrote.
std::uint32_t number_of(const Frame &frame, std::size_t skip);

// `inner` in VXLAN, from `there` to `here`.
Frame in_vxlan(const Frame &inner, const Mac &to, std::uint32_t of_vni = vni);

// "", or what is wrong with a frame that should be `inner` in VXLAN, from `here` to `to`.
std::string wrong_vxlan(const Frame &got, const Frame &inner, const std::string &to = there);
constexpr std::size_t outer_size = 50;

// "", or in what `got` differs from `wanted`.
std::string difference(const Frame &got, const Frame &wanted);

} // namespace xvtep::bench
