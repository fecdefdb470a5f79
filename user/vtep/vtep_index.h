// SPDX-License-Identifier: GPL-2.0-only
// The VTEPs whose entries a query shows, found by the keys of the tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "user/vtep/device_names.h"
#include "user/vtep/session.h"

namespace xvtep {

struct NamedVtep {
    xv_vtep vtep;
    std::string device;
};

// All VTEPs, or those of one device; in the order of their devices' names and their VNIs.
class VtepIndex {
  public:
    // `only`: the one device; an error says what is wrong with that device.
    static Result<VtepIndex> read(Session &session, const DeviceNames &names,
                                  const std::optional<std::string> &only);
    // Those of one device, or the one with this VNI. Their `device` is as it was given.
    static Result<VtepIndex> of_device(Session &session, const std::string &device,
                                       std::uint32_t vni);
    // The VTEP that an entry belongs to, or nullptr if it is not shown. Pointers compare in the
    // order of the devices' names.
    [[nodiscard]] const NamedVtep *find(__u32 vni, __be16 dstport) const;

  private:
    void index();

    std::vector<NamedVtep> all_;
    std::unordered_map<std::uint64_t, std::size_t> places_; // by VNI and UDP port
};

} // namespace xvtep
