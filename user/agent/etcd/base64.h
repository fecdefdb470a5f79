// SPDX-License-Identifier: GPL-2.0-only
// RFC 4648 base64 with padding, as JSON carries etcd's bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xvtep::agent {

std::string base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text); // none: not base64

} // namespace xvtep::agent
