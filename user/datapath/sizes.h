// SPDX-License-Identifier: GPL-2.0-only
// The sizes of the maps. A namespace starts with small ones: user/vtep/grow.h makes them larger.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bpf/abi/tables.h"
#include "user/base/result.h"

namespace xvtep {

struct Sizes {
    __u32 slots = XV_SLOTS_START;   // VTEPs, underlay ports and local ports
    __u32 ports = XV_PORTS_START;   // local ports, and as many underlay ports
    __u32 vlans = XV_VLANS_START;   // of all trunks, and as many members
    __u32 fdb = XV_FDB_START;       // entries
    __u32 floods = XV_FLOODS_START; // further destinations of entries that have several
    __u32 neighs = XV_NEIGHS_START;
    __u32 remotes = XV_REMOTES_START; // a power of 2

    bool operator==(const Sizes &) const = default;

    // Of the maps that are pinned in `maps`.
    static Result<Sizes> of(const std::string &maps);
};

constexpr Sizes largest_sizes{.slots = XV_SLOTS,
                              .ports = XV_PORTS_MAX,
                              .vlans = XV_VLANS_MAX,
                              .fdb = XV_FDB_ENTRIES,
                              .floods = XV_FLOODS_MAX,
                              .neighs = XV_NEIGHS_MAX,
                              .remotes = XV_REMOTES_MAX};

// Returns sizes of which the member is larger, at least `wanted`, or nothing if it cannot grow so
// far. A host with more VTEPs gets room for more remotes, too.
std::optional<Sizes> grown(Sizes sizes, __u32 Sizes::*member, __u32 wanted = 0);

// Returns the size of the map with this name, or nothing if it does not grow.
std::optional<__u32> size_of(std::string_view map, const Sizes &sizes);

// Whether larger maps take this one over as it is: it does not grow, and holds no index of one that
// does.
bool is_kept(std::string_view map);

} // namespace xvtep
