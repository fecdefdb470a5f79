// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "user/base/result.h"

namespace xvtep {

// Returns when every run of a BPF program that was in progress at the call has ended. Programs that
// start later see all map updates made before the call. It takes an RCU grace period, usually some
// 10 ms.
//
// Source: kernel/bpf/syscall.c, maybe_wait_bpf_programs(): a successful update of a map in map
// returns after synchronize_rcu() for exactly this purpose (Linux 4.19.6 and later).
// membarrier(2) with MEMBARRIER_CMD_GLOBAL, which the kernel's selftests use, waits too, but fails
// on kernels with nohz_full and does nothing on one CPU.
Result<> wait_for_running_programs();

} // namespace xvtep
