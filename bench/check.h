// SPDX-License-Identifier: GPL-2.0-only
// Whether what arrived is what was sent.
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "bench/peers.h"
#include "bench/sinks.h"

namespace xvtep::bench {

// Which of the expected frames an arrival is, or what is wrong with it.
using Known = std::expected<std::size_t, std::string>;
using Which = std::function<Known(const Arrival &)>;

// That each of `count` expected frames arrived once, and nothing else.
Result<> each_once(System system, const std::vector<Arrival> &arrivals, std::size_t count,
                   const Which &which);

// The same up to three times where frames are missing, and only there: what else the machine does
// may cost one.
Result<> checked(const std::function<Result<>()> &check);

} // namespace xvtep::bench
