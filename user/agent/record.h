// SPDX-License-Identifier: GPL-2.0-only
// An endpoint as a directory knows it, and what is asked for.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"

namespace xvtep::agent {

// A MAC (an l2miss) or an IP (an l3miss) of a VNI.
struct Key {
    std::uint32_t vni = 0;
    std::variant<Mac, Ip> what;

    [[nodiscard]] std::string text() const; // "vni 42 mac 02:…", "vni 42 ip 10.20.1.3"
    auto operator<=>(const Key &) const = default;
};

// `mac` (and `ip`, where one is known) of overlay `vni` is behind the VTEP `vtep`.
struct Record {
    std::uint32_t vni = 0;
    Mac mac;
    std::optional<Ip> ip;
    Ip vtep;
    std::uint16_t port = 0; // the VTEP's UDP port, host byte order; 0: as our own

    auto operator<=>(const Record &) const = default;
};

constexpr std::size_t record_size_max = 4096; // bytes of JSON; more is refused unread

// {"vni":42,"mac":"02:00:00:00:00:01","ip":"10.20.1.3","vtep":"192.168.8.101","port":4789}; `ip`,
// `port`, `vni` and what `key` says may be left out; other members are ignored. Refused with the
// reason: no JSON object, wrong types, another VNI, MAC or IP than asked for, a MAC that is
// multicast or zero, a VTEP address that is multicast, loopback or any. The error's code: EBADMSG.
Result<Record> parse_record(const Key &key, std::string_view json);
std::string to_json(const Record &record);
// The rules of the last three. Nothing, or what is wrong.
std::optional<std::string> what_is_wrong(const Record &record);

// Whether the record answers the key.
bool answers(const Record &record, const Key &key);

} // namespace xvtep::agent
