// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>

#include "user/cli/grammar.h"
#include "xvtep/fdb.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

// `fdb add`, append, replace and del; del needs no dst.
Result<FdbEntry> parse_fdb_entry(const Arguments &arguments);

// What `fdb show` and `fdb flush` choose entries by.
struct FdbFilter {
    std::optional<std::uint32_t> vni;     // to send with
    std::optional<std::uint32_t> src_vni; // on a device with many
    std::optional<Ip> dst;
    std::optional<FdbState> state;
    std::optional<std::string> bridge; // "": of any bridge
    [[nodiscard]] bool is_empty() const { return !vni && !src_vni && !dst && !state && !bridge; }
    // `vtep`: the one that the entry belongs to.
    [[nodiscard]] bool takes(const FdbEntry &entry, const VtepInfo &vtep) const;
};
Result<FdbFilter> parse_fdb_filter(const Arguments &arguments);

} // namespace xvtep::cli
