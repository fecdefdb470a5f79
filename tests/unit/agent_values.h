// SPDX-License-Identifier: GPL-2.0-only
// Numbered addresses, keys and records for the agent's tests.
#pragma once

#include <fmt/format.h>

#include "user/agent/record.h"

namespace xvtep::agent {

inline Mac mac(unsigned n)
{
    return *Mac::parse(fmt::format("02:00:00:00:{:x}:{:x}", n >> 8, n & 0xff));
}
inline Ip ip(unsigned n)
{
    return *Ip::parse(fmt::format("10.20.{}.{}", n >> 8, n & 0xff));
}
inline Ip vtep(unsigned n)
{
    return *Ip::parse(fmt::format("192.168.8.{}", n));
}
inline Key mac_key(unsigned n, std::uint32_t vni = 42)
{
    return {vni, mac(n)};
}
inline Key ip_key(unsigned n, std::uint32_t vni = 42)
{
    return {vni, ip(n)};
}
inline Record record(unsigned n, unsigned behind)
{
    return {42, mac(n), std::nullopt, vtep(behind), 4789};
}
inline Record with_ip(unsigned n, unsigned address, unsigned behind)
{
    return {42, mac(n), ip(address), vtep(behind), 4789};
}

} // namespace xvtep::agent
