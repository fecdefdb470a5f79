// SPDX-License-Identifier: GPL-2.0-only
// An endpoint as a directory knows it, and the key that it is looked up by.
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

// An endpoint of overlay `vni` with MAC `mac` and, if it is known, IP `ip` is behind VTEP `vtep`.
struct Record {
    std::uint32_t vni = 0;
    Mac mac;
    std::optional<Ip> ip;
    Ip vtep;
    std::uint16_t port = 0; // the VTEP's UDP port, host byte order; 0: the same as this host's

    auto operator<=>(const Record &) const = default;
};

constexpr std::size_t record_size_max = 4096; // bytes of JSON; longer text is not parsed

// Parses the record that answers `key`:
//   {"vni":42,"mac":"02:00:00:00:00:01","ip":"10.20.1.3","vtep":"192.168.8.101","port":4789}
// `ip`, `port`, `vni` and the member that `key` gives may be left out; other members are ignored.
// Errors: EBADMSG: not a JSON object, a member of the wrong type, another VNI, MAC or IP than
// `key`'s, or a record that what_is_wrong() refuses.
Result<Record> parse_record(const Key &key, std::string_view json);
std::string to_json(const Record &record);
// Says what is wrong with a record: a MAC that is multicast or zero, or an address that is
// multicast, loopback, broadcast or "any". Returns nothing if the record is good.
std::optional<std::string> what_is_wrong(const Record &record);

// Whether the record is one of `key`.
bool answers(const Record &record, const Key &key);

} // namespace xvtep::agent
