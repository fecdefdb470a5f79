// SPDX-License-Identifier: GPL-2.0-only
// Keys and numbers as etcd's JSON gateway has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "user/agent/json.h"
#include "user/agent/record.h"

namespace xvtep::agent {

// "PREFIX/42/mac/02:00:00:00:00:01", "PREFIX/42/ip/10.20.1.3", and what lies below "PREFIX/42/".
std::string etcd_key(std::string_view prefix, const Key &key);
std::string etcd_vni_prefix(std::string_view prefix, std::uint32_t vni);
// None: no key of ours, or not written as etcd_key() writes it.
std::optional<Key> parse_etcd_key(std::string_view prefix, std::string_view text);
// The first key behind all that start with `prefix`.
std::string etcd_range_end(std::string prefix);

// A member's number, which the gateway writes as text, and leaves out where it is 0; whatever is
// no number counts as left out.
std::uint64_t etcd_number(const Json &json, const char *name);

// The record of a key-value pair (base64 within JSON); refused as parse_record() refuses.
Result<Record> etcd_record(const Key &key, const Json &kv);

} // namespace xvtep::agent
