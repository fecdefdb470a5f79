// SPDX-License-Identifier: GPL-2.0-only
// Base64 with padding (RFC 4648), which etcd's JSON gateway uses for keys and values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xvtep::agent {

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text); // nothing: not base64

} // namespace xvtep::agent
