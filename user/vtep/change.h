// SPDX-License-Identifier: GPL-2.0-only
// The parts of change_vtep() that recover() needs, too.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Gives the kernel's device, and the VTEPs of a device with many VNIs, the options of the record,
// after a command that changed options was killed.
Result<> repair_options(Session &session, const xv_vtep &record, const Link &device);

// Writes the record, and for a device with many VNIs those of its VTEPs with its options.
Result<> put_record(Session &session, const xv_vtep &record);

// As put_record(), and derives the lookups. The record has XV_VTEP_CHANGING_OPTIONS until both are
// done, so that the next command finishes it if this one is killed.
Result<> commit_record(Session &session, const xv_vtep &record);

} // namespace xvtep
