// SPDX-License-Identifier: GPL-2.0-only
// What things take in the kernel.
#pragma once

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::bench {

// VmallocUsed + Percpu + Slab of /proc/meminfo in bytes, once it rests. The kernel frees maps,
// programs and devices in the background, after grace periods: the sum rests when it has changed by
// less than 64 KiB in half a second. After `limit` seconds, the sum of that moment. Nothing else
// may run on the machine.
double settled_memory(double limit = 8);

// Keeps a program of two instructions loaded. The kernel puts machine code into blocks of 2 MiB,
// which all programs of the machine share: one is there from then on, and is not measured as part
// of the first VTEP.
Result<Fd> hold_program_block();

} // namespace xvtep::bench
