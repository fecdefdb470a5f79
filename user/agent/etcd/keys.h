// SPDX-License-Identifier: GPL-2.0-only
// Keys and values as they are in etcd and its JSON gateway.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "user/agent/json.h"
#include "user/agent/record.h"

namespace xvtep::agent {

// "PREFIX/42/mac/02:00:00:00:00:01" or "PREFIX/42/ip/10.20.1.3"; the prefix of a VNI is
// "PREFIX/42/".
std::string etcd_key(std::string_view prefix, const Key &key);
std::string etcd_vni_prefix(std::string_view prefix, std::uint32_t vni);
// The inverse of etcd_key(). Nothing if the text is not a key that etcd_key() writes.
std::optional<Key> parse_etcd_key(std::string_view prefix, std::string_view text);
// The first key after all keys that start with `prefix`.
std::string etcd_range_end(std::string prefix);

// A member's number. The gateway writes numbers as text, and leaves out zeros; a value that is not
// a number counts as 0.
std::uint64_t etcd_number(const Json &json, const char *name);

// The record of a key-value pair of the gateway. Errors: those of parse_record().
Result<Record> etcd_record(const Key &key, const Json &kv);

} // namespace xvtep::agent
