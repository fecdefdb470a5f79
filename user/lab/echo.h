// SPDX-License-Identifier: GPL-2.0-only
// Traffic that checks send: ICMP echo and TCP.
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
    std::string problem;              // why the last request could not be sent, or ""
};

// Sends ICMP echo requests from `netns`, unfragmented, each after the reply to the last one or the
// timeout. Errors: only where no socket can be opened.
Result<EchoOutcome> send_echoes(const Netns &netns, const EchoOptions &options);

constexpr std::chrono::milliseconds warm_up_timeout{500};
constexpr std::chrono::milliseconds first_reply_timeout{3000};

// Sends single requests until one has its reply, as the first ones may be lost while neighbours and
// routes are found. Returns how many were sent.
Result<unsigned> warm_up(const Netns &from, const Ip &to);

// Sends one request. Returns the milliseconds until its reply.
Result<double> ping_once(const Netns &from, const Ip &to, std::chrono::milliseconds within);

// Sends `bytes` octets over TCP to `address`, an address of `to`, and compares them there. Returns
// the time that took.
Result<std::chrono::microseconds> transfer(const Netns &from, const Netns &to, const Ip &address,
                                           std::size_t bytes);

} // namespace xvtep
