// SPDX-License-Identifier: GPL-2.0-only
// Changes options of a VTEP while packets go on: `xvtep set`.
#pragma once

#include <string>
#include <vector>

#include <xvtep/option.h>
#include <xvtep/result.h>
#include <xvtep/vtep.h>

namespace xvtep {

// Options to change, and a request that has their new values: units and byte order as there.
// An option that is not in the list keeps its value.
struct Changes {
    std::vector<const AttachOption *> options; // rows of attach_options()
    AttachRequest to;
    [[nodiscard]] bool has(const OptionField &field) const;
};

// Changes the options in the programs' tables and on the kernel's device; all or nothing. Packets
// go on meanwhile. An unset `local` makes the VTEP choose its address by itself, as attach does
// without the option; an unset `remote` or `group` removes the default destination, and a set one
// takes the place of the other. The default entry gets the new destination for the old one, and
// keeps those that were appended. `maxaddress` below the present number of entries removes none.
// `fdb_size` only grows. A VTEP with many VNIs changes for all of them.
//
// Errors: ErrorKind::usage
//   an option that cannot be changed (why_kept()), a value that is wrong on any system, an address
//   of the other family, a remote or group for a device with many VNIs
// Errors: ErrorKind::system
//   ENODEV         there is no such device, it is no VTEP, or it is in another namespace
//   EOPNOTSUPP     the kernel's device cannot change its ttl to or from "inherit"
//   EADDRNOTAVAIL  there is no address to send from
//   EINVAL         the kernel refuses a value, as an MTU that does not fit
Result<VtepInfo> change_vtep(const std::string &device, const Changes &changes);

} // namespace xvtep
