// SPDX-License-Identifier: GPL-2.0-only
// The VNIs of a device with many, in the tables and in the kernel's device.
#pragma once

#include <span>
#include <vector>

#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

// Refuses VNIs that are attached on the UDP port already, and VLANs that the device has.
Result<> refuse_taken_vnis(const Session &session, const xv_vtep &device,
                           std::span<const VniRange> ranges);

// Makes a VTEP of each VNI. On an error none is left.
Result<> make_vnis(Session &session, const xv_vtep &device, std::span<const VniRange> ranges);

// Removes some VTEPs of one device, which stays; remove_vteps() removes a device with all of them.
Result<> remove_vnis(Session &session, const std::vector<xv_vtep> &vteps);

// Removes what a killed command has left half-done.
Result<> repair_vnis(Session &session, const xv_vtep &device);

// Writes the device's own record, and gives its VTEPs the same MAC and name.
Result<> update_vni_device(Session &session, const xv_vtep &device);

// The VTEPs of the device, in the order of their VNIs.
Result<std::vector<xv_vtep>> vteps_on(const Session &session, __u32 ifindex);

// VNIs in a row, whose VLANs are in a row and that have the same remote, are one range.
// `vteps` must be in the order of their VNIs.
std::vector<VniRange> ranges_of(std::span<const xv_vtep> vteps);

// If the bridge of the device has VLAN filtering: lets it send the VLANs to the device, tagged.
Result<> add_to_bridge(Session &session, int bridge, int device, std::span<const VniRange> ranges);

} // namespace xvtep
