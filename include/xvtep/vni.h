// SPDX-License-Identifier: GPL-2.0-only
// The VNIs of a device that has many (AttachRequest::vnis), in the calling thread's network
// namespace. A frame's VLAN on the device says its VNI. Each VNI is a VTEP of its own: the calls
// for its entries name it by the device and its VNI (FdbEntry::src_vni, NeighEntry::vni).
//
// Numbers are in host byte order. Errors, threads, processes: result.h. Source: `bridge vni` and
// `bridge fdb … src_vni`, bridge(8).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <xvtep/result.h>
#include <xvtep/vtep.h>

namespace xvtep {

struct DeviceVnis {
    std::string device;
    std::vector<VniRange> vnis; // in the order of VNIs
};

// Adds VNIs, with the options of the device. On an error nothing has changed.
//
// Errors: ErrorKind::usage: a range is empty, or a VNI or a VLAN is out of range. EEXIST: a VNI is
// attached on the same UDP port, or a VLAN has a VNI. EINVAL: the device has one VNI. ENOSPC: there
// is no room for as many.
Result<> add_vnis(const std::string &device, std::span<const VniRange> ranges);

// Removes VNIs, with their entries, neighbours and local ports. `vlan` and `remote` have no
// meaning.
//
// Errors: ENOENT: the device does not have one of the VNIs; then none is removed.
Result<> delete_vnis(const std::string &device, std::span<const VniRange> ranges);

// Returns the devices with many VNIs, or that of this name, in the order of their names.
Result<std::vector<DeviceVnis>> list_vnis(const std::optional<std::string> &device);

} // namespace xvtep
