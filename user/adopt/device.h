// SPDX-License-Identifier: GPL-2.0-only
// Whether a vxlan device can be adopted, and its record in the tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bpf/abi/tables.h"
#include "user/base/result.h"
#include "user/net/netlink.h"

namespace xvtep::adopt {

// What the kernel's device takes from the namespace.
struct HostDefaults {
    std::uint8_t ttl = 0;
    std::uint16_t port_low = 0, port_high = 0; // net.ipv4.ip_local_port_range

    static Result<HostDefaults> read();
    bool operator==(const HostDefaults &) const = default;
};

// Returns why the device is left to the kernel, or "".
std::string why_refused(const Link &link);

struct RecordChoices {
    __u32 slot = 0;
    std::uint64_t cookie = 0;
    bool udpcsum = false; // send checksums if the device does
    HostDefaults defaults{};
};

// `old`: the record that the device has, or null. Without a local address the one that the programs
// have found stays.
xv_vtep record_of(const Link &link, const RecordChoices &choices, const xv_vtep *old);

// Whether the programs do the same for both records.
bool is_same(const xv_vtep &a, const xv_vtep &b);

// Returns the row that adds the kernel's entry to the mirror, or nothing if it is not plain.
std::optional<xv_fdb_key> mirrored_key(const xv_vtep &vtep, const KernelFdbEntry &entry);

} // namespace xvtep::adopt
