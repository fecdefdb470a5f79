// SPDX-License-Identifier: GPL-2.0-only
// The two kinds of VTEPs in labs: xvtep's and the kernel's vxlan devices. One driver for each
// makes them and works on their tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/description.h"
#include "user/lab/node.h"
#include "user/lab/state.h"

namespace xvtep {

struct FdbLine {
    Mac mac;
    Ip dst;
    std::string via; // a device, or ""
    bool learned = false;
};

struct Ageing {
    std::uint32_t ageing = 0;                 // seconds
    std::optional<std::uint32_t> hard_ageing; // none: this kind of VTEP has no such thing
};

// What only some kinds of VTEPs have. Checks that need it leave other VTEPs out.
enum class Feature {
    counters,         // of the packets that the programs carried
    misses,           // told to listeners
    neighbour_expiry, // reachable neighbours are removed after a time
};

class VtepDriver {
  public:
    VtepDriver() = default;
    VtepDriver(const VtepDriver &) = delete;
    VtepDriver &operator=(const VtepDriver &) = delete;
    virtual ~VtepDriver() = default;

    [[nodiscard]] virtual const char *name() const = 0; // "xvtep", "kernel vxlan"
    [[nodiscard]] virtual bool has(Feature feature) const = 0;

    // The VTEP's device, in its bridge, and its ports.
    [[nodiscard]] virtual Result<> make_vtep(LabNode &node, const LabVtep &vtep) const = 0;
    [[nodiscard]] virtual Result<> remove_vtep(LabNode &node, const LabVtep &vtep) const = 0;

    [[nodiscard]] virtual Result<std::vector<FdbLine>>
    list_fdb(LabNode &node, const std::string &device) const = 0;
    [[nodiscard]] virtual Result<> add_fdb(LabNode &node, const std::string &device,
                                           const LabFdbEntry &entry) const = 0;
    [[nodiscard]] virtual Result<> flush_fdb(LabNode &node, const std::string &device) const = 0;

    [[nodiscard]] virtual Result<> replace_neigh(LabNode &node, const std::string &device,
                                                 const LabNeighbour &neighbour) const = 0;
    [[nodiscard]] virtual Result<> flush_neigh(LabNode &node, const std::string &device) const = 0;

    [[nodiscard]] virtual Result<Ageing> ageing(LabNode &node, const std::string &device) const = 0;
};

const VtepDriver &xvtep_driver();
const VtepDriver &kernel_driver();
// That of a host's VTEPs.
const VtepDriver &driver_of(const LabState &state, const std::string &host);

} // namespace xvtep
