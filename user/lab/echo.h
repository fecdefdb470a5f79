// SPDX-License-Identifier: GPL-2.0-only
// Traffic of the labs' own: ICMP echo and TCP.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/netns.h"

namespace xvtep {

struct EchoOptions {
    Ip to;
    unsigned count = 1;
    unsigned size = 56; // payload octets
    std::chrono::milliseconds timeout{1000};
};

struct EchoOutcome {
    std::uint16_t id = 0; // of the requests
    unsigned sent = 0, received = 0;
    std::chrono::microseconds best{}; // round trip
    std::string problem;              // why the last one did not go out, where that is known
};

// Sends ICMP echo requests, unfragmented, each after the last one's reply or timeout, from
// `netns`. Fails only where no socket can be had.
Result<EchoOutcome> send_echoes(const Netns &netns, const EchoOptions &options);

// Sends `bytes` octets over TCP to `address`, an address of `to`, and compares them there.
// Returns how long it took.
Result<std::chrono::microseconds> transfer(const Netns &from, const Netns &to, const Ip &address,
                                           std::size_t bytes);

} // namespace xvtep
