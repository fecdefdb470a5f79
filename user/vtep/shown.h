// SPDX-License-Identifier: GPL-2.0-only
// Whose entries a query shows: from the keys of the tables to devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "user/vtep/session.h"

namespace xvtep {

// Of the namespace's devices, as they were when read.
class DeviceNames {
  public:
    static Result<DeviceNames> read(Session &session);
    // "" where there is none of that index.
    [[nodiscard]] const std::string &of(__u32 ifindex) const;

  private:
    std::unordered_map<__u32, std::string> names_;
};

struct ShownVtep {
    xv_vtep vtep;
    std::string device;
};

// All VTEPs, or one; in the order of their devices' names.
class ShownVteps {
  public:
    // `only`: the device of one, or an error naming what is wrong with it.
    static Result<ShownVteps> read(Session &session, const DeviceNames &names,
                                   const std::optional<std::string> &only);
    // Whose an entry is by its key; nullptr: not shown. The greater pointer is the later name.
    [[nodiscard]] const ShownVtep *find(__u32 vni, __be16 dstport) const;

  private:
    std::vector<ShownVtep> all_;
    std::unordered_map<std::uint64_t, std::size_t> places_;
};

} // namespace xvtep
