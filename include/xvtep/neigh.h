// SPDX-License-Identifier: GPL-2.0-only
// The neighbour table that proxy and rsc go by, in `ip neigh`'s words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

enum class NeighState { permanent, reachable };

struct NeighEntry {
    Ip ip;
    std::string device; // the VTEP's
    Mac mac;
    NeighState state = NeighState::permanent; // reachable: for the VTEP's reachable_time
    std::uint64_t updated = 0;                // seconds ago; filled by queries
};

enum class NeighVerb { add, change, replace };

Result<> write_neigh(NeighVerb verb, const NeighEntry &entry);
Result<> delete_neigh(const Ip &ip, const std::string &device);
// Live entries, of one VTEP's device or of all.
Result<std::vector<NeighEntry>> show_neigh(const std::optional<std::string> &device);
Result<NeighEntry> get_neigh(const Ip &ip, const std::string &device);
Result<> flush_neigh(const std::string &device);

} // namespace xvtep
